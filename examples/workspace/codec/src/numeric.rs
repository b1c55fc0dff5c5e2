// SPDX-License-Identifier: MIT
//! Numeric kernels with known answers. No answer depends on the order of threads or on a libm.

/// xorshift64*: the source of the operands below.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

pub fn multiply(n: usize, a: &[f32], b: &[f32]) -> Vec<f32> {
    let mut c = vec![0.0; n * n];
    for i in 0..n {
        for k in 0..n {
            let factor = a[i * n + k];
            for j in 0..n {
                c[i * n + j] += factor * b[k * n + j];
            }
        }
    }
    c
}

/// A 128-bit product, reduced: MUL, UMULH, ADDS, ADC and the division of compiler-rt.
pub fn power_modulo(mut base: u64, mut exponent: u64, modulus: u64) -> u64 {
    let mut result = 1u64;
    base %= modulus;
    while exponent != 0 {
        if exponent & 1 != 0 {
            result = (u128::from(result) * u128::from(base) % u128::from(modulus)) as u64;
        }
        base = (u128::from(base) * u128::from(base) % u128::from(modulus)) as u64;
        exponent >>= 1;
    }
    result
}

pub fn horner(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum.mul_add(x, *c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrix_product_has_the_known_bits() {
        let n = 33;
        let mut random = Random(7);
        let mut fill = || (0..n * n).map(|_| (random.next() % 1000) as f32 / 8.0).collect::<Vec<_>>();
        let (a, b) = (fill(), fill());
        let c = multiply(n, &a, &b);
        // Every product is a multiple of 1/64 and every sum stays exact or is rounded the same way in the
        // same order, so the plain triple loop is an oracle down to the bit.
        for i in 0..n {
            for j in 0..n {
                let sum = (0..n).fold(0.0f32, |s, k| s + a[i * n + k] * b[k * n + j]);
                assert_eq!(c[i * n + j].to_bits(), sum.to_bits());
            }
        }
    }

    #[test]
    fn fermat_holds_for_a_64_bit_prime() {
        let prime = 18_446_744_073_709_551_557;
        for base in [2, 3, 65_537, 1 << 63] {
            assert_eq!(power_modulo(base, prime - 1, prime), 1);
        }
    }

    #[test]
    fn wide_division() {
        let a = 0xfedc_ba98_7654_3210_0123_4567_89ab_cdefu128;
        for d in [3u128, 1 << 64, (1 << 64) + 1, a / 2, a - 1] {
            assert_eq!(a / d * d + a % d, a);
            assert!(a % d < d);
        }
        assert_eq!(i128::MIN / 7, -24_305_883_351_495_604_533_098_186_245_126_300_818);
    }

    #[test]
    fn leading_zeros_and_rotations() {
        let mut random = Random(11);
        for _ in 0..10_000 {
            let value = random.next();
            let amount = (value % 64) as u32;
            assert_eq!(value.rotate_left(amount).rotate_right(amount), value);
            assert_eq!(value.swap_bytes().swap_bytes(), value);
            assert_eq!(value.reverse_bits().trailing_zeros(), value.leading_zeros());
            assert_eq!(value.count_ones() + value.count_zeros(), 64);
        }
    }

    #[test]
    fn saturation_and_checked_arithmetic() {
        for a in i8::MIN..=i8::MAX {
            for b in i8::MIN..=i8::MAX {
                let wide = i32::from(a) + i32::from(b);
                assert_eq!(i32::from(a.saturating_add(b)), wide.clamp(-128, 127));
                assert_eq!(a.checked_add(b).is_some(), (-128..=127).contains(&wide));
                assert_eq!(i32::from(a.wrapping_mul(b)), (i32::from(a) * i32::from(b)) as i8 as i32);
            }
        }
    }

    #[test]
    fn float_conversions_saturate() {
        assert_eq!(f64::NAN as i32, 0);
        assert_eq!(f64::INFINITY as i64, i64::MAX);
        assert_eq!(-1.5f64 as u8, 0);
        assert_eq!(3e9f32 as i32, i32::MAX);
        assert_eq!(u64::MAX as f32, 18_446_744_073_709_551_616.0);
        assert_eq!((0.1f64 + 0.2).to_bits(), 0x3fd3_3333_3333_3334);
    }

    #[test]
    fn fused_multiply_add_rounds_once() {
        let e = 1.0 + f64::EPSILON;
        assert_eq!(e.mul_add(e, -(1.0 + 2.0 * f64::EPSILON)), f64::EPSILON * f64::EPSILON);
        assert_eq!(horner(&[1.0, -2.0, 0.5], 3.0), -0.5);
    }

    #[test]
    fn floats_survive_their_text() {
        let mut random = Random(23);
        for _ in 0..2000 {
            let value = f64::from_bits(random.next());
            if value.is_finite() {
                assert_eq!(value.to_string().parse::<f64>().unwrap().to_bits(), value.to_bits());
            }
        }
    }

    #[test]
    fn comparisons_with_zero_write_every_lane() {
        // The shape of QEMU 8.2's miscompilation: a vector compare with zero left lanes unwritten.
        let mut random = Random(31);
        for _ in 0..200 {
            let lanes: Vec<i8> = (0..64).map(|_| (random.next() % 5) as i8 - 2).collect();
            let zero: Vec<u8> = lanes.iter().map(|l| u8::from(*l == 0)).collect();
            let negative: Vec<u8> = lanes.iter().map(|l| u8::from(*l < 0)).collect();
            for (i, lane) in lanes.iter().enumerate() {
                assert_eq!(zero[i] == 1, std::hint::black_box(*lane) == 0);
                assert_eq!(negative[i] == 1, std::hint::black_box(*lane).is_negative());
            }
        }
    }

    #[test]
    fn sorting_agrees_with_counting() {
        let mut random = Random(47);
        let mut values: Vec<u16> = (0..20_000).map(|_| random.next() as u16 % 1000).collect();
        let mut counts = [0usize; 1000];
        values.iter().for_each(|v| counts[usize::from(*v)] += 1);
        values.sort_unstable();
        let expected: Vec<u16> =
            counts.iter().enumerate().flat_map(|(v, n)| std::iter::repeat(v as u16).take(*n)).collect();
        assert_eq!(values, expected);
    }
}
