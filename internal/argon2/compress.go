package argon2

import "math/bits"

// compressGeneric sets out to G(a, b) (RFC 9106 §3.5), or to out XOR G(a, b)
// if xor is set. The blocks may be the same.
func compressGeneric(out, a, b *block, xor bool) {
	var r, z block
	for i := range r {
		r[i] = a[i] ^ b[i]
	}
	z = r
	for i := 0; i < blockWords; i += 16 { // the rows of 8 registers of 16 bytes
		permute(&z[i], &z[i+1], &z[i+2], &z[i+3], &z[i+4], &z[i+5], &z[i+6], &z[i+7],
			&z[i+8], &z[i+9], &z[i+10], &z[i+11], &z[i+12], &z[i+13], &z[i+14], &z[i+15])
	}
	for i := 0; i < 16; i += 2 { // the columns
		permute(&z[i], &z[i+1], &z[i+16], &z[i+17], &z[i+32], &z[i+33], &z[i+48], &z[i+49],
			&z[i+64], &z[i+65], &z[i+80], &z[i+81], &z[i+96], &z[i+97], &z[i+112], &z[i+113])
	}
	for i := range z {
		z[i] ^= r[i]
		if xor {
			z[i] ^= out[i]
		}
	}
	*out = z
}

// permute is P (RFC 9106 §3.6).
func permute(p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15 *uint64) {
	v0, v4, v8, v12 := mix2(mix1(*p0, *p4, *p8, *p12))
	v1, v5, v9, v13 := mix2(mix1(*p1, *p5, *p9, *p13))
	v2, v6, v10, v14 := mix2(mix1(*p2, *p6, *p10, *p14))
	v3, v7, v11, v15 := mix2(mix1(*p3, *p7, *p11, *p15))
	*p0, *p5, *p10, *p15 = mix2(mix1(v0, v5, v10, v15))
	*p1, *p6, *p11, *p12 = mix2(mix1(v1, v6, v11, v12))
	*p2, *p7, *p8, *p13 = mix2(mix1(v2, v7, v8, v13))
	*p3, *p4, *p9, *p14 = mix2(mix1(v3, v4, v9, v14))
}

// mix1 and mix2 are the halves of GB, each just small enough to be inlined.
func mix1(a, b, c, d uint64) (uint64, uint64, uint64, uint64) {
	a += b + 2*uint64(uint32(a))*uint64(uint32(b))
	d = bits.RotateLeft64(d^a, -32)
	c += d + 2*uint64(uint32(c))*uint64(uint32(d))
	b = bits.RotateLeft64(b^c, -24)
	return a, b, c, d
}

func mix2(a, b, c, d uint64) (uint64, uint64, uint64, uint64) {
	a += b + 2*uint64(uint32(a))*uint64(uint32(b))
	d = bits.RotateLeft64(d^a, -16)
	c += d + 2*uint64(uint32(c))*uint64(uint32(d))
	b = bits.RotateLeft64(b^c, -63)
	return a, b, c, d
}
