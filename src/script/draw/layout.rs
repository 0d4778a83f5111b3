//! Layered graph drawing: places nodes in rows by their level so that few arrows cross.
//!
//! An arrow over several rows goes through an invisible node in each of them, so that it does not run through boxes.
//! Each row is ordered by the mean place of its nodes' neighbours (the barycentre heuristic of Sugiyama's method). Then
//! nodes are moved towards their neighbours as far as the others in their row let them. Start at [`layered`].

use std::fmt::Write;

/// The width and height of a node's box, in pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// A place in the drawing, in pixels from the drawing's upper left corner. The place of a box is the middle of its
/// upper edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// A finished layout: the places of nodes, the paths of arrows, and the size of the drawing.
#[derive(Debug)]
pub(crate) struct GraphLayout {
    pub(crate) places: Vec<Point>,
    /// The points that each arrow goes through, in the order of the arrows given.
    pub(crate) paths: Vec<Vec<Point>>,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// Pixels between neighbouring boxes in a row of the drawing.
const GAP: f64 = 26.0;
/// Pixels between two rows of boxes.
const RISE: f64 = 58.0;
/// The number of passes over all rows, from the first to the last and back by turns. The order of the boxes in their
/// rows gets so many passes, and after that their distances get as many.
const SWEEPS: usize = 24;

struct LayoutNode {
    level: usize,
    width: f64,
    before: Vec<usize>,
    after: Vec<usize>,
    x: f64,
}

/// Lays out a graph: boxes of the given sizes, in rows by their levels. Every arrow (from, to) must go from a lower
/// level to a higher one.
pub(crate) fn layered(sizes: &[Size], levels: &[usize], arrows: &[(usize, usize)]) -> GraphLayout {
    let node =
        |level: usize, width: f64| LayoutNode { level, width, before: Vec::new(), after: Vec::new(), x: 0.0 };
    let mut nodes: Vec<LayoutNode> =
        sizes.iter().zip(levels).map(|(size, level)| node(*level, size.width)).collect();
    let mut routes: Vec<Vec<usize>> = Vec::with_capacity(arrows.len());
    for (from, to) in arrows {
        let mut route = vec![*from];
        for level in levels[*from] + 1..levels[*to] {
            nodes.push(node(level, 8.0));
            route.push(nodes.len() - 1);
        }
        route.push(*to);
        for pair in route.windows(2) {
            nodes[pair[0]].after.push(pair[1]);
            nodes[pair[1]].before.push(pair[0]);
        }
        routes.push(route);
    }
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); levels.iter().max().map_or(0, |level| level + 1)];
    for (at, node) in nodes.iter().enumerate() {
        rows[node.level].push(at);
    }
    order(&mut nodes, &mut rows);
    place(&mut nodes, &rows);
    let height = sizes.iter().map(|size| size.height).fold(0.0, f64::max);
    let left = nodes.iter().map(|node| node.x - node.width / 2.0).fold(f64::INFINITY, f64::min);
    let right = nodes.iter().map(|node| node.x + node.width / 2.0).fold(f64::NEG_INFINITY, f64::max);
    let top = |level: usize| level as f64 * (height + RISE);
    let path = |route: &Vec<usize>| {
        let (last, mut points) = (route.len() - 1, Vec::new());
        for (number, at) in route.iter().enumerate() {
            let (x, y) = (nodes[*at].x - left, top(nodes[*at].level));
            // An arrow leaves the lower edge of its first box and ends at the upper edge of its last one. In each row
            // between, it runs straight down through the invisible node.
            match number {
                0 => points.push(Point { x, y: y + height }),
                number if number == last => points.push(Point { x, y }),
                _ => points.extend([Point { x, y }, Point { x, y: y + height }]),
            }
        }
        points
    };
    GraphLayout {
        places: (0..sizes.len()).map(|at| Point { x: nodes[at].x - left, y: top(nodes[at].level) }).collect(),
        paths: routes.iter().map(path).collect(),
        width: if nodes.is_empty() { 0.0 } else { right - left },
        height: if rows.is_empty() { 0.0 } else { top(rows.len() - 1) + height },
    }
}

/// Orders the boxes of each row by the mean place of the boxes joined to them in the row before, then in the row after,
/// by turns, so that few arrows cross.
fn order(nodes: &mut [LayoutNode], rows: &mut [Vec<usize>]) {
    spread(nodes, rows);
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let count = rows.len();
        for step in 0..count {
            let row = if down { step } else { count - 1 - step };
            let mean = |at: usize| {
                let near = if down { &nodes[at].before } else { &nodes[at].after };
                if near.is_empty() {
                    nodes[at].x
                } else {
                    near.iter().map(|n| nodes[*n].x).sum::<f64>() / near.len() as f64
                }
            };
            let mut keyed: Vec<(f64, usize)> = rows[row].iter().map(|at| (mean(*at), *at)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[row] = keyed.into_iter().map(|(_, at)| at).collect();
            spread(nodes, &rows[row..=row]);
        }
    }
}

/// Puts the boxes of each row side by side, with the middle of the row at zero.
fn spread(nodes: &mut [LayoutNode], rows: &[Vec<usize>]) {
    for row in rows {
        let total: f64 = row.iter().map(|at| nodes[*at].width + GAP).sum();
        let mut x = -total / 2.0;
        for at in row {
            nodes[*at].x = x + (nodes[*at].width + GAP) / 2.0;
            x += nodes[*at].width + GAP;
        }
    }
}

/// Moves boxes sideways towards the boxes that arrows join to them. The order in each row stays as it is.
fn place(nodes: &mut [LayoutNode], rows: &[Vec<usize>]) {
    for sweep in 0..SWEEPS {
        let count = rows.len();
        for step in 0..count {
            let row = &rows[if sweep % 2 == 0 { step } else { count - 1 - step }];
            let wanted: Vec<f64> = row
                .iter()
                .map(|at| {
                    let near: Vec<f64> = nodes[*at]
                        .before
                        .iter()
                        .chain(&nodes[*at].after)
                        .map(|near| nodes[*near].x)
                        .collect();
                    if near.is_empty() { nodes[*at].x } else { near.iter().sum::<f64>() / near.len() as f64 }
                })
                .collect();
            let apart = |a: usize, b: usize| (nodes[a].width + nodes[b].width) / 2.0 + GAP;
            // The distances can be kept by moving boxes to the right only, or to the left only. The mean of the two
            // favours neither side.
            let mut right = wanted.clone();
            for i in 1..row.len() {
                right[i] = right[i].max(right[i - 1] + apart(row[i - 1], row[i]));
            }
            let mut left = wanted;
            for i in (0..row.len().saturating_sub(1)).rev() {
                left[i] = left[i].min(left[i + 1] - apart(row[i], row[i + 1]));
            }
            for (i, at) in row.iter().enumerate() {
                nodes[*at].x = (left[i] + right[i]) / 2.0;
            }
        }
    }
}

/// Returns the SVG path of a smooth line through the points of an arrow, which leaves and reaches each point downwards.
pub(crate) fn curve(points: &[Point]) -> String {
    let mut text = String::new();
    for (at, point) in points.iter().enumerate() {
        if at == 0 {
            let _ = write!(text, "M{:.1},{:.1}", point.x, point.y);
            continue;
        }
        let before = points[at - 1];
        let half = f64::midpoint(before.y, point.y);
        let _ = write!(
            text,
            " C{:.1},{half:.1} {:.1},{half:.1} {:.1},{:.1}",
            before.x, point.x, point.x, point.y
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_do_not_touch_and_arrows_go_down() {
        let count = 40;
        let sizes: Vec<Size> =
            (0..count).map(|at| Size { width: 60.0 + (at * 37 % 90) as f64, height: 40.0 }).collect();
        let levels: Vec<usize> = (0..count).map(|at| at * 7 / count).collect();
        let arrows: Vec<(usize, usize)> = (0..count)
            .flat_map(|to| [(to * 5 % 17, to), (to * 11 % 29, to)])
            .filter(|(from, to)| levels[*from] < levels[*to])
            .collect();
        let layout = layered(&sizes, &levels, &arrows);
        for a in 0..count {
            assert!(layout.places[a].x >= sizes[a].width / 2.0 - 1e-6 && layout.places[a].x <= layout.width);
            for b in 0..a {
                let (near, apart) = (&layout.places[a], (sizes[a].width + sizes[b].width) / 2.0);
                assert!(
                    near.y != layout.places[b].y || (near.x - layout.places[b].x).abs() >= apart,
                    "{a} {b}"
                );
            }
        }
        for (path, (from, to)) in layout.paths.iter().zip(&arrows) {
            assert!(path.windows(2).all(|pair| pair[0].y < pair[1].y));
            assert_eq!((path[0].x, path[path.len() - 1].x), (layout.places[*from].x, layout.places[*to].x));
        }
    }

    #[test]
    fn nothing_and_one_node() {
        assert_eq!(layered(&[], &[], &[]).width, 0.0);
        let one = layered(&[Size { width: 70.0, height: 40.0 }], &[0], &[]);
        assert_eq!((one.places[0], one.width, one.height), (Point { x: 35.0, y: 0.0 }, 70.0, 40.0));
    }
}
