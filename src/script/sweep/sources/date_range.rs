//! Ranges of dates: `"2020-01-01..=2020-12-31 by 1 month"`, `"2020-01-01T00:00..2020-01-02 by 6 h"`.
//!
//! The value number `n` is the start plus `n` steps, not the previous value plus one step: so months counted from the
//! 31st give the last day of each month. The calendar is the Gregorian one, without time zones and leap seconds.

use crate::script::sweep::range::RangeError;
use crate::script::values::value::ScriptValue;

/// The largest number of dates in a range.
const MOST: usize = 1_000_000;

const DAY: i64 = 24 * 60 * 60;

/// A point in time, with the form in which the script writes it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moment {
    /// The number of seconds since the beginning of 1970.
    seconds: i64,
    precision: Precision,
    /// The character between date and time: `T` or a blank.
    between: char,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Day,
    Minute,
    Second,
}

/// The step of a range: a number of months, which differ in length, or of seconds. Negative steps go back in time.
#[derive(Clone, Copy)]
enum Step {
    Months(i64),
    Seconds(i64),
}

/// Parses a range of dates, and returns its dates. `None` for a text that does not begin with a date.
pub(crate) fn parse(text: &str) -> Option<Result<Vec<ScriptValue>, RangeError>> {
    let (start, rest) = text.split_once("..")?;
    let start = start.trim();
    let looks = |at: usize, is: fn(&u8) -> bool| start.as_bytes().get(at).is_some_and(is);
    let is_date = start.len() >= 8
        && (0..4).all(|at| looks(at, u8::is_ascii_digit))
        && looks(4, |byte| *byte == b'-')
        && looks(5, u8::is_ascii_digit);
    is_date.then(|| dates(start, rest))
}

fn dates(start: &str, rest: &str) -> Result<Vec<ScriptValue>, RangeError> {
    let bad = |why: String| RangeError::Bad(why);
    let (inclusive, rest) = rest.strip_prefix('=').map_or((false, rest), |rest| (true, rest));
    let (end, step) = match rest.split_once(" by ") {
        Some((end, step)) => (end.trim(), read_step(step.trim()).map_err(bad)?),
        None => (rest.trim(), Step::Seconds(DAY)),
    };
    if end.is_empty() {
        return Err(bad("the end is missing".to_owned()));
    }
    let (mut start, end) = (read_moment(start).map_err(bad)?, read_moment(end).map_err(bad)?);
    // with a step of hours or minutes, the values have a time even if the start has none
    let finest = match step {
        Step::Seconds(seconds) if seconds % 60 != 0 => Precision::Second,
        Step::Seconds(seconds) if seconds % DAY != 0 => Precision::Minute,
        _ => Precision::Day,
    };
    start.precision = start.precision.max(finest);
    let forward = matches!(step, Step::Months(n) | Step::Seconds(n) if n > 0);
    let mut found = Vec::new();
    for number in 0.. {
        let Some(seconds) = start.plus(step, number) else { break };
        let distance = if forward { end.seconds - seconds } else { seconds - end.seconds };
        if distance < 0 || (distance == 0 && !inclusive) {
            break;
        }
        if found.len() == MOST {
            return Err(bad(format!("it has more than {MOST} dates")));
        }
        found.push(ScriptValue::Text(Moment { seconds, ..start }.to_string()));
    }
    if found.is_empty() {
        let back = forward && start.seconds > end.seconds;
        return Err(RangeError::Empty(back.then(|| "to go back, write `by -1 day`".to_owned())));
    }
    Ok(found)
}

impl Moment {
    /// Adds `number` steps, and returns the seconds since 1970; `None` outside of the years 0 to 9999.
    fn plus(&self, step: Step, number: i64) -> Option<i64> {
        let seconds = match step {
            Step::Seconds(step) => self.seconds.checked_add(step.checked_mul(number)?)?,
            Step::Months(step) => {
                let (year, month, day) = civil(self.seconds.div_euclid(DAY));
                let months = (year * 12 + month - 1).checked_add(step.checked_mul(number)?)?;
                let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
                let day = day.min(days_of(year, month));
                days(year, month, day) * DAY + self.seconds.rem_euclid(DAY)
            }
        };
        (days(0, 1, 1) * DAY..days(10_000, 1, 1) * DAY).contains(&seconds).then_some(seconds)
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = civil(self.seconds.div_euclid(DAY));
        write!(f, "{year:04}-{month:02}-{day:02}")?;
        let rest = self.seconds.rem_euclid(DAY);
        if self.precision >= Precision::Minute {
            write!(f, "{}{:02}:{:02}", self.between, rest / 3600, rest / 60 % 60)?;
        }
        if self.precision == Precision::Second {
            write!(f, ":{:02}", rest % 60)?;
        }
        Ok(())
    }
}

fn read_moment(text: &str) -> Result<Moment, String> {
    let no_date = || format!("`{text}` is no date: write `2020-01-31`, or `2020-01-31T06:00`");
    let between = if text.contains('T') { 'T' } else { ' ' };
    let (date, time) = text.split_once(between).map_or((text, None), |(date, time)| (date, Some(time)));
    let numbers = |text: &str, separator: char, widths: &[usize]| -> Option<Vec<i64>> {
        let parts: Vec<&str> = text.split(separator).collect();
        let is_right = |(part, width): (&&str, &usize)| {
            part.len() == *width && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if parts.len() > widths.len() || !parts.iter().zip(widths).all(is_right) {
            return None;
        }
        parts.iter().map(|part| part.parse().ok()).collect()
    };
    let Some([year, month, day]) =
        numbers(date, '-', &[4, 2, 2]).and_then(|all| <[i64; 3]>::try_from(all).ok())
    else {
        return Err(no_date());
    };
    if !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return Err(format!("`{date}` is no day of the calendar"));
    }
    let mut moment =
        Moment { seconds: days(year, month, day) * DAY, precision: Precision::Day, between: 'T' };
    if let Some(time) = time {
        let all = numbers(time, ':', &[2, 2, 2]).filter(|all| all.len() >= 2).ok_or_else(no_date)?;
        let (hour, minute, second) = (all[0], all[1], all.get(2).copied().unwrap_or(0));
        if hour > 23 || minute > 59 || second > 59 {
            return Err(format!("`{time}` is no time of a day"));
        }
        moment.seconds += hour * 3600 + minute * 60 + second;
        moment.precision = if all.len() == 3 { Precision::Second } else { Precision::Minute };
        moment.between = between;
    }
    Ok(moment)
}

fn read_step(text: &str) -> Result<Step, String> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '-' || c == '_')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let Ok(number) = number.replace('_', "").parse::<i64>() else {
        return Err(format!("`{text}` is no step of dates: write `by 1 month`"));
    };
    let seconds = |length: i64| number.checked_mul(length).map(Step::Seconds);
    let step = match unit.trim() {
        "year" | "years" => number.checked_mul(12).map(Step::Months),
        "month" | "months" => Some(Step::Months(number)),
        "week" | "weeks" => seconds(7 * DAY),
        "day" | "days" | "d" => seconds(DAY),
        "hour" | "hours" | "h" => seconds(3600),
        "minute" | "minutes" | "min" => seconds(60),
        "second" | "seconds" | "s" => seconds(1),
        "" => {
            return Err(format!(
                "`{text}` of what? write `by {text} day`, or `month`, `week`, `year`, `h`, `min`"
            ));
        }
        unit => return Err(format!("`{unit}` is no unit: there are year, month, week, day, h, min, s")),
    };
    match step {
        Some(Step::Months(0) | Step::Seconds(0)) => Err("the step is zero".to_owned()),
        Some(step) => Ok(step),
        None => Err("the numbers have too many digits".to_owned()),
    }
}

/// The number of days from the beginning of 1970 to a date, after H. Hinnant's `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The year, month and day of the date `days` days after the beginning of 1970, after H. Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

fn days_of(year: i64, month: i64) -> i64 {
    let next = if month == 12 { days(year + 1, 1, 1) } else { days(year, month + 1, 1) };
    next - days(year, month, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        parse(text).unwrap().unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn dates_follow_the_calendar() {
        assert_eq!(texts("2020-02-27..2020-03-02"), ["2020-02-27", "2020-02-28", "2020-02-29", "2020-03-01"]);
        assert_eq!(texts("2019-02-28..=2019-03-01").len(), 2);
        assert_eq!(texts("1900-02-28..1900-03-02").len(), 2);
        assert_eq!(texts("2000-02-28..2000-03-02").len(), 3);
        let months = texts("2020-01-31..=2020-12-31 by 1 month");
        assert_eq!(
            (months.len(), &*months[1], &*months[2], &*months[11]),
            (12, "2020-02-29", "2020-03-31", "2020-12-31")
        );
        assert_eq!(texts("2020-12-31..=2020-01-01 by -6 months"), ["2020-12-31", "2020-06-30"]);
        assert_eq!(texts("2019-06-01..2022-01-01 by 1 year"), ["2019-06-01", "2020-06-01", "2021-06-01"]);
        assert_eq!(texts("2020-01-01..=2020-01-15 by 1 week").len(), 3);
        assert_eq!(texts("0001-01-01..0001-01-03")[1], "0001-01-02");
    }

    #[test]
    fn times_are_written_where_there_are_some() {
        let hours = ["2020-01-01T00:00", "2020-01-01T06:00", "2020-01-01T12:00", "2020-01-01T18:00"];
        assert_eq!(texts("2020-01-01..2020-01-02 by 6 h"), hours);
        assert_eq!(texts("2020-01-01T00:00..2020-01-02 by 6 hours"), hours);
        assert_eq!(texts("2020-01-01 23:59:30..=2020-01-02 00:00:00 by 30 s").concat().len(), 38);
        assert_eq!(texts("2020-01-01T09:30..2020-01-03 by 1 day"), ["2020-01-01T09:30", "2020-01-02T09:30"]);
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in -146_097..146_097 {
            let (year, month, date) = civil(day);
            assert_eq!(days(year, month, date), day);
        }
        assert_eq!((civil(0), civil(-1), civil(19_000)), ((1970, 1, 1), (1969, 12, 31), (2022, 1, 8)));
    }

    #[test]
    fn mistakes_are_told() {
        let bad = |text: &str| match parse(text).unwrap().unwrap_err() {
            RangeError::Bad(why) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(bad("2020-02-30..2020-03-01"), "`2020-02-30` is no day of the calendar");
        assert_eq!(
            bad("2020-1-1..2020-03-01"),
            "`2020-1-1` is no date: write `2020-01-31`, or `2020-01-31T06:00`"
        );
        assert_eq!(bad("2020-01-01..10"), "`10` is no date: write `2020-01-31`, or `2020-01-31T06:00`");
        assert_eq!(
            bad("2020-01-01..2020-02-01 by 2"),
            "`2` of what? write `by 2 day`, or `month`, `week`, `year`, `h`, `min`"
        );
        assert_eq!(
            bad("2020-01-01..2020-02-01 by 1 moon"),
            "`moon` is no unit: there are year, month, week, day, h, min, s"
        );
        assert_eq!(bad("2020-01-01..2020-02-01 by month"), "`month` is no step of dates: write `by 1 month`");
        assert_eq!(bad("2020-01-01..2020-02-01 by 0 days"), "the step is zero");
        assert_eq!(bad("2020-01-01T25:00..2020-02-01"), "`25:00` is no time of a day");
        assert_eq!(bad("0001-01-01..9999-01-01 by 1 min"), "it has more than 1000000 dates");
        assert_eq!(bad("2020-01-01..2020-01-02 by 99999999999999 weeks"), "the numbers have too many digits");
        let empty = |text: &str| parse(text).unwrap().unwrap_err();
        assert_eq!(empty("2020-01-01..2020-01-01"), RangeError::Empty(None));
        assert!(matches!(empty("2020-02-01..2020-01-01"), RangeError::Empty(Some(_))));
        assert_eq!(parse("2020..2030"), None);
        assert_eq!(parse("2020-2030"), None);
    }
}
