//! Writing of numpy's file format `.npy`, version 1.0, which `numpy.load` reads.

use crate::arrays::ArrayValue;
use std::io::{self, Write};

/// Writes an array in numpy's `.npy` format.
///
/// # Errors
/// When the writer fails.
pub(crate) fn write(array: &ArrayValue, out: &mut impl Write) -> io::Result<()> {
    let descr = match array {
        ArrayValue::F64(_) => "<f8",
        ArrayValue::F32(_) => "<f4",
        ArrayValue::I64(_) => "<i8",
        ArrayValue::I32(_) => "<i4",
        ArrayValue::U8(_) => "|u1",
    };
    let shape: String = array.shape().iter().map(|n| format!("{n}, ")).collect();
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
    // the format requires the elements to begin at a multiple of 64 bytes; the preamble has ten bytes
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&u16::try_from(header.len()).map_err(io::Error::other)?.to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    match array {
        ArrayValue::F64(array) => array.iter().try_for_each(|x| out.write_all(&x.to_le_bytes())),
        ArrayValue::F32(array) => array.iter().try_for_each(|x| out.write_all(&x.to_le_bytes())),
        ArrayValue::I64(array) => array.iter().try_for_each(|x| out.write_all(&x.to_le_bytes())),
        ArrayValue::I32(array) => array.iter().try_for_each(|x| out.write_all(&x.to_le_bytes())),
        ArrayValue::U8(array) => array.iter().try_for_each(|x| out.write_all(&x.to_le_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_bytes_are_numpys() {
        let mut bytes = Vec::new();
        write(&ArrayValue::I32(array![[1, 2, 3]].into_dyn()), &mut bytes).unwrap();
        // numpy.save of numpy.array([[1, 2, 3]], dtype="<i4")
        let header = b"\x93NUMPY\x01\x00v\x00{'descr': '<i4', 'fortran_order': False, 'shape': (1, 3), }";
        assert_eq!(bytes[..8], header[..8]);
        let text = String::from_utf8_lossy(&bytes[10..128]).into_owned();
        assert!(text.starts_with("{'descr': '<i4', 'fortran_order': False, 'shape': (1, 3,), }"), "{text}");
        assert!(text.ends_with(" \n") && bytes.len() == 128 + 12);
        assert_eq!(bytes[128..132], [1, 0, 0, 0]);
        let mut bytes = Vec::new();
        let wide = [i64::MIN, (1 << 53) + 1, i64::MAX];
        write(&ArrayValue::I64(ndarray::Array1::from(wide.to_vec()).into_dyn()), &mut bytes).unwrap();
        let read = bytes[128..].as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
        assert!(read.eq(wide));
        let mut bytes = Vec::new();
        write(&ArrayValue::F64(ndarray::arr0(0.5).into_dyn()), &mut bytes).unwrap();
        assert!(String::from_utf8_lossy(&bytes[10..]).contains("'shape': (), }"));
    }
}
