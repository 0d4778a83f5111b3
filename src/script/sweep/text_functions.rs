//! Functions of texts in formulas: parts of paths, replacing, splitting, joining, padding, and reading a number.
//!
//! A number among the arguments counts as the text in which it is written, so `0101` keeps its leading zero. No text
//! becomes longer than [`LONGEST`], so that formulas cannot fill the memory. Start at [`FormulaEval::text_call`].

use std::borrow::Cow;

use crate::arrays::TextFunction;
use crate::arrays::exact::{float_of, no_float};
use crate::arrays::syntax::ast::{Call, ExprNode, NodeKind, Subscript};
use crate::script::sweep::expression::FormulaError;
use crate::script::sweep::formula_check::split_call;
use crate::script::sweep::formula_eval::FormulaEval;
use crate::script::sweep::lane::{Lane, Values};
use crate::script::values::format::FormatSpec;
use crate::script::values::value::{PathPart, Scalar, ScriptValue, float};

/// The length in bytes of the longest text that a formula may make.
pub(super) const LONGEST: usize = 64 << 10;

type Texts<'a> = Lane<Cow<'a, str>>;

impl<'a> FormulaEval<'_, 'a> {
    /// Evaluates the call of a function of texts. `split` gives several texts, and is an error here: its callers handle
    /// it with an index or inside `join`.
    pub(super) fn text_call(
        &self,
        function: TextFunction,
        call: &ExprNode,
        arguments: &Call,
    ) -> Result<Values<'a>, FormulaError> {
        let argument =
            |at: usize| {
                arguments.named.get(at).and_then(Option::as_ref).ok_or_else(|| {
                    FormulaError::of_type(call.span.clone(), "an argument is missing".to_owned())
                })
            };
        let text = |at| argument(at).and_then(|node| self.texts(node));
        let part = |part: PathPart| text(0).map(|texts| texts.map(|text| Cow::Owned(part.of(&text))));
        let made = match function {
            TextFunction::Stem => part(PathPart::Stem)?,
            TextFunction::Name => part(PathPart::Name)?,
            TextFunction::Dir => part(PathPart::Dir)?,
            TextFunction::Ext => part(PathPart::Ext)?,
            TextFunction::Upper => text(0)?.map(|text| text.to_uppercase().into()),
            TextFunction::Lower => text(0)?.map(|text| text.to_lowercase().into()),
            TextFunction::Replace => {
                let (old, new) = (text(1)?, text(2)?);
                if old.any(|old| old.is_empty()) {
                    let message = "nothing is to be replaced: the second argument is empty".to_owned();
                    return Err(FormulaError::of_value(argument(1)?.span.clone(), message));
                }
                let texts = text(0)?.zip(old.zip(new, |old, new| (old, new)), |text, (old, new)| {
                    // the length is computed beforehand, so that no huge text is made
                    let longer = new.len().saturating_sub(old.len()) * text.matches(&*old).count();
                    (text.len() + longer <= LONGEST).then(|| text.replace(&*old, &new))
                });
                return finished(texts, call);
            }
            TextFunction::Pad => {
                let width = self.integers(argument(1)?)?;
                let fill = arguments.named.get(2).and_then(Option::as_ref);
                let fill = fill.map_or(Ok(Lane::One("0".into())), |node| self.texts(node))?;
                if fill.any(|fill| fill.chars().count() != 1) {
                    let message = "`pad` fills with one character".to_owned();
                    let place = argument(2).map_or(call.span.clone(), |node| node.span.clone());
                    return Err(FormulaError::of_value(place, message));
                }
                let texts = text(0)?
                    .zip(width.zip(fill, |width, fill| (width, fill)), |text, (width, fill)| {
                        padded(&text, width, fill.chars().next()?)
                    });
                return finished(texts, call);
            }
            TextFunction::Text => match arguments.named.get(1).and_then(Option::as_ref) {
                None => text(0)?,
                Some(format) => self.formatted(argument(0)?, format)?,
            },
            TextFunction::Join => {
                let separator = text(0)?;
                let lists =
                    arguments.rest.iter().map(|node| self.parts(node)).collect::<Result<Vec<_>, _>>()?;
                let all = lists.into_iter().fold(Lane::One(Vec::new()), |all, list| {
                    all.zip(list, |mut all, list| {
                        all.extend(list);
                        all
                    })
                });
                let texts = separator.zip(all, |separator, parts: Vec<String>| {
                    let length = parts.iter().map(|part| part.len() + separator.len()).sum::<usize>();
                    (length <= LONGEST + separator.len()).then(|| parts.join(&separator))
                });
                return finished(texts, call);
            }
            TextFunction::Split => {
                return Err(FormulaError::of_type(
                    call.span.clone(),
                    "`split` gives several parts".to_owned(),
                ));
            }
        };
        Ok(Values::Texts(made))
    }

    /// Evaluates `a + b` for texts: joins the two.
    pub(super) fn glued(a: Texts<'a>, b: Texts<'a>, node: &ExprNode) -> Result<Values<'a>, FormulaError> {
        let both =
            |a: Cow<'a, str>, b: Cow<'a, str>| (a.len() + b.len() <= LONGEST).then(|| format!("{a}{b}"));
        finished(a.zip(b, both), node)
    }

    /// Evaluates `split(x, ..)[i]`, one part of a text; a negative `i` counts from the end.
    pub(super) fn part(
        &self,
        split: &Call,
        at: &ExprNode,
        node: &ExprNode,
    ) -> Result<Values<'a>, FormulaError> {
        let wanted = self.integers(at)?;
        let parts = self.split(split, node)?;
        let told = match (parts.one(), wanted.one()) {
            (Some(parts), Some(wanted)) => {
                format!("a text with {} parts has no part {wanted}: `{}`", parts.len(), parts.join("`, `"))
            }
            _ => "some text has no such part".to_owned(),
        };
        let found = parts.try_zip(wanted, |mut parts, wanted| {
            let at = place(wanted, parts.len()).filter(|at| *at < parts.len())?;
            Some(Cow::Owned(parts.swap_remove(at)))
        });
        found.map(Values::Texts).ok_or_else(|| FormulaError {
            help: Some("parts are counted from 0, and from the end with -1".to_owned()),
            ..FormulaError::of_value(node.span.clone(), told)
        })
    }

    /// Parses each text as a number, which keeps its spelling.
    pub(super) fn read_number(&self, text: &ExprNode) -> Result<Lane<ScriptValue>, FormulaError> {
        let texts = self.texts(text)?;
        let told = texts.one().map_or_else(
            || "some text is no number".to_owned(),
            |text| match ScriptValue::read(text.trim()).map(|value| match value.scalar() {
                Scalar::Int(number) => no_float(number),
                _ => String::new(),
            }) {
                Some(message) if !message.is_empty() => message,
                _ => format!("the text `{text}` is no number"),
            },
        );
        let number = |text: Cow<'a, str>| {
            let value = ScriptValue::read(text.trim())?;
            let is_number = match value.scalar() {
                Scalar::Int(number) => float_of(number).is_some(),
                other => matches!(other, Scalar::Float(_)),
            };
            is_number.then_some(value)
        };
        texts.try_map(number).ok_or_else(|| FormulaError {
            help: Some("`replace` and `split` take away what stands beside the number".to_owned()),
            ..FormulaError::of_value(text.span.clone(), told)
        })
    }

    /// Evaluates a subexpression to texts. Numbers of a name become texts as they are written.
    fn texts(&self, node: &ExprNode) -> Result<Texts<'a>, FormulaError> {
        if let NodeKind::Name { name, .. } = &node.kind
            && let Some(spelled) = (self.spelled)(name)
        {
            return Ok(spelled);
        }
        Ok(match self.value(node)? {
            Values::Texts(lane) => lane,
            Values::Ints(lane) => lane.map(|number| number.to_string().into()),
            Values::Floats(lane) => lane.map(|number| float(number).into()),
        })
    }

    fn integers(&self, node: &ExprNode) -> Result<Lane<i64>, FormulaError> {
        match self.value(node)? {
            Values::Ints(lane) => Ok(lane),
            _ => Err(FormulaError::of_type(node.span.clone(), "an integer is wanted here".to_owned())),
        }
    }

    fn formatted(&self, x: &ExprNode, format: &ExprNode) -> Result<Texts<'a>, FormulaError> {
        let values: Lane<ScriptValue> = match self.value(x)? {
            Values::Ints(lane) => lane.map(ScriptValue::Int),
            Values::Floats(lane) => lane.map(ScriptValue::Float),
            Values::Texts(lane) => lane.map(|text| ScriptValue::Text(text.into_owned())),
        };
        let formats = self.texts(format)?;
        let told = match (values.first(), formats.first()) {
            (Some(value), Some(format)) => match FormatSpec::parse(format).map(|spec| spec.apply(value)) {
                None => format!("`{format}` is no format"),
                Some(Err(why)) => format!("the format `{format}` does not fit: {why}"),
                Some(Ok(_)) => "a format does not fit".to_owned(),
            },
            _ => "a format does not fit".to_owned(),
        };
        let texts = values
            .try_zip(formats, |value, format| FormatSpec::parse(&format)?.apply(&value).ok().map(Cow::Owned));
        texts.ok_or_else(|| FormulaError {
            help: Some("formats are like `text(i, '03')`, `text(x, '.2')`, `text(x, '.2e')`".to_owned()),
            ..FormulaError::of_type(format.span.clone(), told)
        })
    }

    /// Evaluates a call of `split` to all parts of each text.
    fn split(&self, call: &Call, node: &ExprNode) -> Result<Lane<Vec<String>>, FormulaError> {
        let lost = || FormulaError::of_type(node.span.clone(), "an argument is missing".to_owned());
        let texts = self.texts(call.named.first().and_then(Option::as_ref).ok_or_else(lost)?)?;
        let all = |parts: &mut dyn Iterator<Item = &str>| parts.map(str::to_owned).collect();
        let Some(separator) = call.named.get(1).and_then(Option::as_ref) else {
            return Ok(texts.map(|text| all(&mut text.split_whitespace())));
        };
        let separators = self.texts(separator)?;
        if separators.any(|separator| separator.is_empty()) {
            let message = "a text is split between characters, and this is none".to_owned();
            return Err(FormulaError::of_value(separator.span.clone(), message));
        }
        Ok(texts.zip(separators, |text, separator| all(&mut text.split(&*separator))))
    }

    /// Evaluates an argument of `join` to the texts that it adds: one text, the items of a list, or all or some parts
    /// of a `split`.
    fn parts(&self, node: &ExprNode) -> Result<Lane<Vec<String>>, FormulaError> {
        if let Some(split) = split_call(node) {
            return self.split(split, node);
        }
        match &node.kind {
            NodeKind::List(items) => {
                let lists = items.iter().map(|item| self.parts(item)).collect::<Result<Vec<_>, _>>()?;
                Ok(lists.into_iter().fold(Lane::One(Vec::new()), |all, list| {
                    all.zip(list, |mut all, list| {
                        all.extend(list);
                        all
                    })
                }))
            }
            NodeKind::Index(inner, subscripts) => match (split_call(inner), &subscripts[..]) {
                (Some(split), [Subscript::Slice { start, end, .. }]) => {
                    let bound = |node: &Option<ExprNode>| match node {
                        Some(node) => self.integers(node).map(|at| at.map(Some)),
                        None => Ok(Lane::One(None)),
                    };
                    let bounds = bound(start)?.zip(bound(end)?, |start, end| (start, end));
                    Ok(self.split(split, node)?.zip(bounds, |mut parts, (start, end)| {
                        let most = parts.len();
                        let at = |bound: Option<i64>, open| {
                            bound.map_or(open, |at| place(at, most).unwrap_or(0).min(most))
                        };
                        let (start, end) = (at(start, 0), at(end, most));
                        parts.drain(start..end.max(start)).collect()
                    }))
                }
                _ => Ok(self.texts(node)?.map(|text| vec![text.into_owned()])),
            },
            _ => Ok(self.texts(node)?.map(|text| vec![text.into_owned()])),
        }
    }
}

/// Converts an index as in Python, negative from the end, to a position among `length` items. `None` if it is before
/// the first item.
fn place(at: i64, length: usize) -> Option<usize> {
    if at >= 0 {
        usize::try_from(at).ok()
    } else {
        length.checked_sub(usize::try_from(at.unsigned_abs()).ok()?)
    }
}

/// Fills a text with `fill` on the left, up to `width` characters. If `fill` is `0`, a sign stays in front. `None` if
/// the text would become too long.
fn padded(text: &str, width: i64, fill: char) -> Option<String> {
    let missing = usize::try_from(width).unwrap_or(0).saturating_sub(text.chars().count());
    if missing.saturating_mul(fill.len_utf8()).saturating_add(text.len()) > LONGEST {
        return None;
    }
    let filled: String = std::iter::repeat_n(fill, missing).collect();
    let sign = if fill == '0' { text.len() - text.trim_start_matches(['-', '+']).len() } else { 0 };
    let (sign, digits) = text.split_at(sign.min(1));
    Some(format!("{sign}{filled}{digits}"))
}

fn finished<'a>(texts: Lane<Option<String>>, node: &ExprNode) -> Result<Values<'a>, FormulaError> {
    texts.try_map(|text| text.map(Cow::Owned)).map(Values::Texts).ok_or_else(|| {
        let message = format!("a text of more than {} KiB", LONGEST >> 10);
        FormulaError::of_value(node.span.clone(), message)
    })
}

#[cfg(test)]
mod tests {
    use crate::script::sweep::expression::{Formula, FormulaError, FormulaType, NameInput};
    use crate::script::values::value::ScriptValue;

    fn value(text: &str) -> Result<String, FormulaError> {
        let path = ScriptValue::Path("data/a_b_R1.tar.gz".into());
        let id = ScriptValue::read("0101").unwrap();
        let formula = Formula::new(text, &|name| match name {
            "f" => Some((NameInput::Param(0), FormulaType::Text, path.clone())),
            "i" => Some((NameInput::Param(1), FormulaType::Whole, ScriptValue::Int(7))),
            "x" => Some((NameInput::Param(2), FormulaType::Number, ScriptValue::Float(0.25))),
            "id" => Some((NameInput::Param(3), FormulaType::Whole, id.clone())),
            _ => None,
        })?;
        let values = [path.clone(), ScriptValue::Int(7), ScriptValue::Float(0.25), id.clone()];
        formula.try_at(&values, 4).map(|value| format!("{} {value}", value.kind()))
    }

    #[test]
    fn texts_are_made_of_texts() {
        for (text, expected) in [
            ("stem(f)", "a string a_b_R1.tar"),
            ("name(f)", "a string a_b_R1.tar.gz"),
            ("dir(f)", "a string data"),
            ("ext(f)", "a string gz"),
            ("split(stem(f), '_')[1]", "a string b"),
            ("split(name(f), '.')[-1]", "a string gz"),
            ("split('a  b c')[2]", "a string c"),
            ("join('-', split(stem(f), '_'))", "a string a-b-R1.tar"),
            ("join('-', split(stem(f), '_')[:-1], i, 'z')", "a string a-b-7-z"),
            ("join('/', ['a', i])", "a string a/7"),
            ("replace(f, '.tar.gz', '')", "a string data/a_b_R1"),
            ("upper('aß') + lower('XY')", "a string ASSxy"),
            ("pad(i, 3)", "a string 007"),
            ("pad(-i, 4)", "a string -007"),
            ("pad('ab', 4, '.')", "a string ..ab"),
            ("pad(f, 2)", "a string data/a_b_R1.tar.gz"),
            ("text(i)", "a string 7"),
            ("text(id) + '!'", "a string 0101!"),
            ("text(x, '.1e')", "a string 2.5e-01"),
            ("number('0012')", "an integer 0012"),
            ("number(' 1.50 ')", "a float 1.50"),
            ("number(replace('T300', 'T', '')) + 1", "a float 301.0"),
            ("floor(number('12')) + i", "an integer 19"),
            ("where(i > 3, 'large', 'small')", "a string large"),
            ("where(stem(f) == 'a', 1, 2)", "an integer 2"),
            ("number(id)", "an integer 0101"),
        ] {
            assert_eq!(value(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_point_at_their_part() {
        let told = |text: &str| {
            let error = value(text).unwrap_err();
            format!("{} | {}", &text[error.range.clone()], error.message)
        };
        for (text, expected) in [
            ("split(f, '_')", "split(f, '_') | `split` gives several parts"),
            ("split(f, '_')[0:1]", "split(f, '_')[0:1] | `split` gives several parts"),
            (
                "split(stem(f), '_')[5]",
                "split(stem(f), '_')[5] | a text with 3 parts has no part 5: `a`, `b`, `R1.tar`",
            ),
            ("number(f)", "f | the text `data/a_b_R1.tar.gz` is no number"),
            ("upper(f) * 2", "upper(f) | the text `DATA/A_B_R1.TAR.GZ` is no number"),
            ("f + i", "f | the text `data/a_b_R1.tar.gz` is no number"),
            ("stem()", "stem() | `stem` lacks its argument `path`"),
            ("strip(f)", "strip | unknown function `strip`"),
            ("split(f, '')[0]", "'' | a text is split between characters, and this is none"),
            ("text(i, 'zz')", "'zz' | `zz` is no format"),
            ("pad(i, 'a')", "'a' | an integer is wanted here"),
            ("pad(i, 10000000)", "pad(i, 10000000) | a text of more than 64 KiB"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }
}
