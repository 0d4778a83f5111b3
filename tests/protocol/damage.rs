//! Damaged and hostile bytes: an error each, and no memory for what is not there.

use super::*;

#[test]
fn what_is_no_frame_is_an_error() {
    let mut whole = frame(&RankOrder::Run(run()));
    for bytes in
        [&[][..], &[0], &[6, 1], &[255], &[1], &[2], &[2, 2], &[2, 1, 0], &[3, 15], &[4, 19], &[5, 2]]
    {
        assert!(decode(bytes).is_err(), "{bytes:?}");
    }
    whole.pop();
    assert!(decode(&whole).unwrap_err().to_string().starts_with("cannot decode: "));
    assert_eq!(decode(&[3]).unwrap(), Frame::Orders(vec![])); // none at all is no damage
}

/// Lengths that no frame can hold, in front of a text, bytes, and lists.
#[test]
fn a_hostile_length_allocates_nothing() {
    let huge = [253, 255, 255, 255, 255, 255, 255, 255, 63];
    let definition = [&[3, 0, 1, 1][..], &huge].concat();
    let args = [&[3, 1, 7, 1, 2][..], &huge].concat();
    let inputs = [&[3, 1, 7, 1, 2, 0][..], &huge].concat();
    let shape = [&[3, 4, 7, 2, 1, 1, 2, 9][..], &huge].concat();
    let message = [&[4, 1, 7, 1][..], &huge].concat();
    let cores = [&[1, 1, 1, 0][..], &huge].concat();
    for bytes in [definition, args, inputs, shape, message, cores] {
        assert!(decode(&bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_long_error_is_cut_at_its_beginning() {
    assert_eq!(bounded("short".into()), "short");
    assert_eq!(bounded("x".repeat(MESSAGE_MAX)).len(), MESSAGE_MAX);
    for sign in ["x", "ä", "€", "🦀"] {
        let cut = bounded(sign.repeat(MESSAGE_MAX) + "why");
        assert!(cut.starts_with("[…] ") && cut.ends_with("why"), "{sign}");
        assert!((MESSAGE_MAX - 8..=MESSAGE_MAX).contains(&cut.len()), "{sign}: {}", cut.len());
    }
}

#[test]
fn lengths_at_the_borders() {
    for (length, bytes) in [
        (0, "00"),
        (0x7F, "7f"),
        (0x80, "80 01"),
        (0x3FFF, "ff 7f"),
        (0x4000, "80 80 01"),
        (usize::MAX, "ff ff ff ff ff ff ff ff ff 01"),
    ] {
        let mut args = SmallVec::new();
        push_length(&mut args, length);
        assert_eq!(hex(&args), bytes);
        let mut rest = &args[..];
        assert_eq!((take_length(&mut rest).unwrap(), rest.len()), (length, 0));
    }
}

#[test]
fn hostile_lengths() {
    let cut_off: [&[u8]; 3] = [&[], &[0x80], &[0xFF, 0xFF]];
    let too_large: [&[u8]; 3] =
        [&[0xFF; 10], &[0x80; 20], &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02]];
    for mut bytes in cut_off {
        assert!(take_length(&mut bytes).unwrap_err().to_string().contains("cut off"));
    }
    for mut bytes in too_large {
        assert!(take_length(&mut bytes).unwrap_err().to_string().contains("too large"));
    }
}
