package argon2

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	reference "golang.org/x/crypto/argon2"
)

// RFC 9106 §5.2 and §5.3.
func TestVectors(t *testing.T) {
	fill := func(n int, b byte) []byte { return bytes.Repeat([]byte{b}, n) }
	for v, want := range map[Variant]string{
		I:  "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8",
		ID: "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659",
	} {
		got := sum(v, fill(32, 1), fill(16, 2), fill(8, 3), fill(12, 4), Cost{Memory: 32, Time: 3, Lanes: 4}, 32)
		if hex.EncodeToString(got) != want {
			t.Errorf("variant %d: %x, want %s", v, got, want)
		}
	}
}

func TestSameAsReference(t *testing.T) {
	salt := []byte("somesalt")
	for _, cost := range []Cost{
		{8, 1, 1}, {9, 1, 1}, {15, 3, 1}, {16, 2, 2}, {64, 1, 8}, {65, 4, 3}, {71, 2, 3}, {512, 1, 1},
		{513, 2, 1}, {1024, 3, 4}, {2049, 2, 1}, {19456, 2, 1}, {1037, 1, 1}, {1024, 2, 128},
	} {
		for _, size := range []int{4, 32, 63, 64, 65, 96, 97, 1024} {
			if cost.Memory > 10000 && size != 32 {
				continue
			}
			for _, password := range []string{"", "correct horse battery staple"} {
				m, n, p := cost.Memory, cost.Time, uint8(cost.Lanes)
				for v, want := range map[Variant][]byte{
					I:  reference.Key([]byte(password), salt, n, m, p, uint32(size)),
					ID: reference.IDKey([]byte(password), salt, n, m, p, uint32(size)),
				} {
					if got := Sum(v, []byte(password), salt, cost, size); !bytes.Equal(got, want) {
						t.Fatalf("variant %d, %+v, %d bytes: %x, want %x", v, cost, size, got, want)
					}
				}
			}
		}
	}
}

func FuzzSum(f *testing.F) {
	f.Add([]byte("password"), []byte("somesalt"), uint16(64), uint8(2), uint8(1), uint8(32))
	f.Fuzz(func(t *testing.T, password, salt []byte, memory uint16, passes, lanes, size uint8) {
		cost := Cost{Memory: uint32(memory) % 2048, Time: uint32(passes) % 4, Lanes: uint32(lanes)}
		if cost.Time < 1 || cost.Lanes < 1 || cost.Memory < 8*cost.Lanes || size < 4 {
			return
		}
		want := reference.IDKey(password, salt, cost.Time, cost.Memory, lanes, uint32(size))
		if got := Sum(ID, password, salt, cost, int(size)); !bytes.Equal(got, want) {
			t.Errorf("%+v: %x, want %x", cost, got, want)
		}
	})
}

// Whatever runs here must agree with what runs elsewhere.
func TestCompress(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	fill := func(b *block) {
		for i := range b {
			b[i] = random.Uint64()
		}
	}
	for range 200 {
		var a, b, old block
		fill(&a)
		fill(&b)
		fill(&old)
		for _, xor := range []bool{false, true} {
			want, got := old, old
			compressGeneric(&want, &a, &b, xor)
			compress(&got, &a, &b, xor)
			if got != want {
				t.Fatalf("xor %v: they differ", xor)
			}
			for name, call := range map[string]func(a, b *block, f func(out, a, b *block, xor bool)) block{
				"out is a": func(a, b *block, f func(out, a, b *block, xor bool)) block { f(a, a, b, xor); return *a },
				"out is b": func(a, b *block, f func(out, a, b *block, xor bool)) block { f(b, a, b, xor); return *b },
			} {
				a1, b1, a2, b2 := a, b, a, b
				if call(&a1, &b1, compressGeneric) != call(&a2, &b2, compress) {
					t.Fatalf("%s, xor %v: they differ", name, xor)
				}
			}
		}
	}
}

func TestMemoryIsUsedAgain(t *testing.T) {
	cost := Cost{Memory: 4096, Time: 1, Lanes: 1}
	hash := func() { Sum(ID, []byte("password"), []byte("somesalt"), cost, 32) }
	hash()
	before := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			hash()
		}
	})
	if perHash := before.AllocedBytesPerOp(); perHash > 1<<20 {
		t.Errorf("%d bytes for each hash", perHash)
	}
}

func TestPanics(t *testing.T) {
	for _, cost := range []Cost{{}, {64, 0, 1}, {64, 1, 0}, {7, 1, 1}, {63, 1, 8}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v: no panic", cost)
				}
			}()
			Sum(ID, nil, nil, cost, 32)
		}()
	}
}

func BenchmarkSum(b *testing.B) {
	for _, cost := range []Cost{{19456, 2, 1}, {65536, 3, 4}} {
		b.Run(fmt.Sprintf("m=%d,t=%d,p=%d", cost.Memory, cost.Time, cost.Lanes), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Sum(ID, []byte("password"), []byte("0123456789abcdef"), cost, 32)
			}
		})
	}
}

// The other implementation, to compare with.
func BenchmarkReference(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		reference.IDKey([]byte("password"), []byte("0123456789abcdef"), 2, 19456, 1, 32)
	}
}
