//! The task graph of a plan, one node for each task: as Graphviz DOT ([`dot`]) or as an SVG picture ([`svg`]).

use std::fmt::Write;

use super::layout::{self, GraphLayout, Size};
use crate::script::plan::Plan;
use crate::script::plan::task::{Select, TaskAction};

/// Returns the second line of a node: the action of the task and the number of its instances.
fn subtitle(plan: &Plan, at: usize) -> String {
    let task = &plan.tasks[at];
    let action = match &task.action {
        TaskAction::Run { .. } => "run",
        TaskAction::Shell { .. } => "shell",
        TaskAction::Array { .. } => "array",
        TaskAction::Reduce { .. } | TaskAction::Merge { .. } => "reduce",
        TaskAction::Call { .. } => "call",
        TaskAction::MapReduce(_) => "mapreduce",
    };
    let action = if task.knot > 0 { format!("{action}, chain") } else { action.to_owned() };
    match task.family.len() {
        count if task.until.is_some() => format!("{action} until, up to × {}", grouped(count)),
        _ if task.family.is_single() => action,
        count => format!("{action} × {}", grouped(count)),
    }
}

/// Writes a count with thin spaces between groups of three digits: `1 234 567`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// An arrow of the graph, from a task to one that reads its results or waits for it.
struct Edge {
    from: usize,
    to: usize,
    /// The largest number of instances of `from` that one instance of `to` reads (its fan-in).
    fan_in: u64,
    /// Whether `to` only waits for `from` (by `after`) and reads nothing of it. Such arrows are dashed.
    order: bool,
}

fn edges(plan: &Plan) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    for (to, task) in plan.tasks.iter().enumerate() {
        let begin = edges.len();
        for reference in &task.references {
            let (from, order) = (reference.task, reference.select == Select::Order);
            let fan_in = task.fan_in(reference);
            match edges[begin..].iter_mut().find(|edge| edge.from == from) {
                Some(edge) => {
                    edge.order &= order;
                    edge.fan_in = edge.fan_in.max(fan_in);
                }
                None => edges.push(Edge { from, to, fan_in, order }),
            }
        }
    }
    edges
}

/// Writes the graph in the DOT language of Graphviz.
pub(crate) fn dot(plan: &Plan) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = format!(
        "digraph {} {{\n  rankdir = TB;\n  node [shape = box, style = rounded];\n",
        quoted(&plan.name)
    );
    for (at, task) in plan.tasks.iter().enumerate() {
        let label = quoted(&format!("{}\n{}", task.name, subtitle(plan, at))).replace('\n', "\\n");
        let _ = writeln!(text, "  {} [label = {label}];", quoted(&task.name));
    }
    for edge in edges(plan) {
        let mut options = Vec::new();
        if edge.fan_in > 1 {
            options.push(format!("label = {}", quoted(&grouped(edge.fan_in))));
        }
        if edge.order {
            options.push("style = dashed".to_string());
        }
        let options = if options.is_empty() { String::new() } else { format!(" [{}]", options.join(", ")) };
        let name = |at: usize| quoted(&plan.tasks[at].name);
        let _ = writeln!(text, "  {} -> {}{options};", name(edge.from), name(edge.to));
    }
    text.push_str("}\n");
    text
}

const HEIGHT: f64 = 46.0;
const MARGIN: f64 = 20.0;

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Draws the graph as an SVG picture, which every browser shows.
pub(crate) fn svg(plan: &Plan) -> String {
    let edges = edges(plan);
    let subtitles: Vec<String> = (0..plan.tasks.len()).map(|at| subtitle(plan, at)).collect();
    let sizes: Vec<Size> = plan
        .tasks
        .iter()
        .zip(&subtitles)
        .map(|(task, subtitle)| {
            // Widths of characters in an ordinary sans-serif font, with room to spare.
            let width = (task.name.chars().count() as f64 * 8.4).max(subtitle.chars().count() as f64 * 6.8);
            Size { width: (width + 24.0).max(70.0), height: HEIGHT }
        })
        .collect();
    // arrows that lead back, between tasks that read each other in a circle, are drawn beside the boxes
    let (edges, back): (Vec<Edge>, Vec<Edge>) = edges.into_iter().partition(|edge| edge.from < edge.to);
    let arrows: Vec<(usize, usize)> = edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let GraphLayout { places, paths, width, height } = layout::layered(&sizes, &plan.levels(), &arrows);
    let (width, height) = (width + 2.0 * MARGIN, height + 2.0 * MARGIN);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"Helvetica, Arial, sans-serif\">\n<title>{}</title>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
         <path d=\"M0,0.5 L8,4 L0,7.5 z\" fill=\"#667\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<g transform=\"translate({MARGIN},{MARGIN})\">\n",
        escaped(&plan.name)
    );
    for (edge, path) in edges.iter().zip(&paths) {
        let dashes = if edge.order { " stroke-dasharray=\"5,4\"" } else { "" };
        let _ = writeln!(
            text,
            "<path d=\"{}\" fill=\"none\" stroke=\"#667\" stroke-width=\"1.2\"{dashes} marker-end=\"url(#tip)\"/>",
            layout::curve(path)
        );
        if let (true, Some([before, end])) = (edge.fan_in > 1, path.last_chunk::<2>()) {
            // The fan-in stands near the tip: several arrows may leave one node, but each reaches its own.
            let (x, y) = (before.x + (end.x - before.x) * 0.78, before.y + (end.y - before.y) * 0.66);
            let _ = writeln!(
                text,
                "<text x=\"{:.1}\" y=\"{y:.1}\" font-size=\"10.5\" fill=\"#446\" stroke=\"white\" stroke-width=\"3\" \
                 paint-order=\"stroke\" text-anchor=\"middle\">{}</text>",
                x,
                grouped(edge.fan_in)
            );
        }
    }
    for Edge { from, to, .. } in &back {
        let side = |at: usize| (places[at].x + sizes[at].width / 2.0 + 4.0, places[at].y + HEIGHT / 2.0);
        let ((x, y), (end, low)) = (side(*from), side(*to));
        let out = x.max(end) + 26.0;
        let _ = writeln!(
            text,
            "<path d=\"M{x:.1},{:.1} C{out:.1},{:.1} {out:.1},{:.1} {end:.1},{:.1}\" fill=\"none\" stroke=\"#667\" \
             stroke-width=\"1.2\" marker-end=\"url(#tip)\"/>",
            y + 8.0,
            y + 22.0,
            low - 22.0,
            low - 8.0
        );
    }
    for (at, task) in plan.tasks.iter().enumerate() {
        let (place, size) = (places[at], sizes[at]);
        let family = !task.family.is_single();
        if family {
            // A second sheet behind the box marks a task that is a family.
            let _ = writeln!(
                text,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{HEIGHT}\" rx=\"7\" fill=\"#dfe7f3\" stroke=\"#6b85b0\"/>",
                place.x - size.width / 2.0 + 4.0,
                place.y + 4.0,
                size.width
            );
        }
        let (fill, line) =
            if task.action.is_command() { ("#eef3fb", "#6b85b0") } else { ("#f3f7ec", "#7f9a55") };
        let _ = writeln!(
            text,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{HEIGHT}\" rx=\"7\" fill=\"{fill}\" stroke=\"{line}\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"14\" fill=\"#223\">{}</text>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"11\" fill=\"#556\">{}</text>",
            place.x - size.width / 2.0,
            place.y,
            size.width,
            place.x,
            place.y + 20.0,
            escaped(&task.name),
            place.x,
            place.y + 36.0,
            escaped(&subtitles[at])
        );
    }
    text.push_str("</g>\n</svg>\n");
    text
}
