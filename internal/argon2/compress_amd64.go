//go:build !purego

package argon2

import "golang.org/x/sys/cpu"

func compress(out, a, b *block, xor bool) {
	if cpu.X86.HasAVX2 {
		compressAVX2(out, a, b, xor)
	} else {
		compressGeneric(out, a, b, xor)
	}
}

// compressAVX2 is compressGeneric with four words in each register.
//
//go:noescape
func compressAVX2(out, a, b *block, xor bool)
