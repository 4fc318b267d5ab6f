//go:build !amd64 || purego

package argon2

func compress(out, a, b *block, xor bool) { compressGeneric(out, a, b, xor) }
