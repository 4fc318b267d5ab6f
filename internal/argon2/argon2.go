// Package argon2 computes Argon2id and Argon2i (RFC 9106) on the calling
// goroutine and nowhere else, in memory that is used again.
//
// That is what golang.org/x/crypto/argon2 does not do, and the reason for this
// package. It starts a goroutine for every part of a hash, which run on any
// thread, so a hash cannot be given a priority of its own; and it leaves all
// its memory, 19 MiB for each login, to the garbage collector. Tests hold the
// two to the same results.
package argon2

import (
	"encoding/binary"
	"sync"

	"golang.org/x/crypto/blake2b"
)

// Variant is the kind of Argon2 (RFC 9106 §3.2, y). Argon2d, which leaks by
// its memory accesses, is not here.
type Variant uint32

// The variants.
const (
	I  Variant = 1
	ID Variant = 2
)

// Version is the version of the algorithm, v in encoded hashes.
const Version = 0x13

const (
	slices     = 4
	blockWords = 128 // 1 KiB
)

// block is the unit of memory.
type block [blockWords]uint64

// Cost is what one hash takes.
type Cost struct {
	Memory uint32 // in KiB; at least 8 for each lane
	Time   uint32 // passes over the memory, at least 1
	Lanes  uint32 // at least 1; computed one after another
}

// Sum returns the hash of password, size bytes long, of which there are at
// least 4. A cost outside of what Cost says panics.
func Sum(v Variant, password, salt []byte, cost Cost, size int) []byte {
	return sum(v, password, salt, nil, nil, cost, size)
}

// sum takes the secret and the associated data as well (RFC 9106 §3.1), which
// stored hashes have none of, and the RFC's test vectors do.
func sum(v Variant, password, salt, secret, data []byte, cost Cost, size int) []byte {
	if cost.Time < 1 || cost.Lanes < 1 || cost.Memory/8 < cost.Lanes || size < 4 {
		panic("argon2: parameters that RFC 9106 does not have")
	}
	segment := cost.Memory / (slices * cost.Lanes)
	length := segment * slices // of a lane
	memory := borrow(int(length * cost.Lanes))
	defer pool.Put(memory)
	f := filler{
		variant: v, blocks: *memory, passes: cost.Time, lanes: cost.Lanes, length: length, segment: segment,
	}

	h0 := start(v, password, salt, secret, data, cost, size)
	for lane := range cost.Lanes {
		for i := range uint32(2) { // RFC 9106 §3.2, steps 3 and 4
			var raw [8 * blockWords]byte
			in := binary.LittleEndian.AppendUint32(h0[:len(h0):len(h0)], i)
			long(raw[:], binary.LittleEndian.AppendUint32(in, lane))
			b := &f.blocks[lane*length+i]
			for w := range b {
				b[w] = binary.LittleEndian.Uint64(raw[8*w:])
			}
		}
	}
	for f.pass = 0; f.pass < cost.Time; f.pass++ {
		for f.slice = 0; f.slice < slices; f.slice++ {
			// The segments of one slice do not depend on each other.
			for f.lane = 0; f.lane < cost.Lanes; f.lane++ {
				f.fill()
			}
		}
	}

	var last [8 * blockWords]byte // the XOR of the last column, step 7
	for w := range blockWords {
		var x uint64
		for lane := range cost.Lanes {
			x ^= f.blocks[(lane+1)*length-1][w]
		}
		binary.LittleEndian.PutUint64(last[8*w:], x)
	}
	out := make([]byte, size)
	long(out, last[:])
	return out
}

// pool keeps memory for the next hash. The garbage collector empties it when
// there is none for a while. What is left in it is worth what the hash is, and
// no more: like the hash, it only serves to test guesses.
var pool sync.Pool

// borrow returns n blocks of any content: the first pass writes each block
// before anything reads it.
func borrow(n int) *[]block {
	if kept, ok := pool.Get().(*[]block); ok && cap(*kept) >= n {
		*kept = (*kept)[:n]
		return kept
	}
	fresh := make([]block, n)
	return &fresh
}

// start returns H_0 (RFC 9106 §3.2, step 1).
func start(v Variant, password, salt, secret, data []byte, cost Cost, size int) [blake2b.Size]byte {
	var in []byte
	for _, n := range []uint32{cost.Lanes, uint32(size), cost.Memory, cost.Time, Version, uint32(v)} {
		in = binary.LittleEndian.AppendUint32(in, n)
	}
	for _, text := range [][]byte{password, salt, secret, data} {
		in = binary.LittleEndian.AppendUint32(in, uint32(len(text)))
		in = append(in, text...)
	}
	return blake2b.Sum512(in)
}

// long fills out with H'(in), the hash of variable length (RFC 9106 §3.3).
func long(out, in []byte) {
	in = append(binary.LittleEndian.AppendUint32(nil, uint32(len(out))), in...)
	for len(out) > blake2b.Size {
		v := blake2b.Sum512(in)
		in = v[:]
		out = out[copy(out, v[:blake2b.Size/2]):]
	}
	h, err := blake2b.New(len(out), nil)
	if err != nil { // only for a length over 64
		panic(err)
	}
	_, _ = h.Write(in) // a hash takes everything
	h.Sum(out[:0])
}

// filler is one hash on its way, at one segment.
type filler struct {
	variant         Variant
	blocks          []block
	passes, lanes   uint32
	length, segment uint32 // of a lane and of a segment, in blocks

	pass, slice, lane uint32
}

// fill computes one segment (RFC 9106 §3.2, steps 5 and 6).
func (f *filler) fill() {
	var addresses, input block
	independent := f.variant == I || f.pass == 0 && f.slice < slices/2 // §3.4.1.3
	if independent {
		input = block{
			uint64(f.pass), uint64(f.lane), uint64(f.slice),
			uint64(len(f.blocks)), uint64(f.passes), uint64(f.variant),
		}
	}
	first := uint32(0)
	if f.pass == 0 && f.slice == 0 {
		first = 2 // sum wrote those
	}
	for i := first; i < f.segment; i++ {
		if independent && (i == first || i%blockWords == 0) { // §3.4.1.2
			var zero block
			input[6]++
			compress(&addresses, &zero, &input, false)
			compress(&addresses, &zero, &addresses, false)
		}
		column := f.slice*f.segment + i
		current := f.lane*f.length + column
		previous := current - 1
		if column == 0 {
			previous += f.length
		}
		j := f.blocks[previous][0]
		if independent {
			j = addresses[i%blockWords]
		}
		compress(&f.blocks[current], &f.blocks[previous], &f.blocks[f.reference(i, j)], f.pass > 0)
	}
}

// reference maps J_1 and J_2, the halves of j, to the block that the one at i
// of this segment refers to (RFC 9106 §3.4.2).
func (f *filler) reference(i uint32, j uint64) uint32 {
	lane := uint32(j>>32) % f.lanes
	if f.pass == 0 && f.slice == 0 {
		lane = f.lane
	}
	// W: whole segments that are done, the oldest first, then what there is
	// of this one. In other lanes the last block does not count if i is 0: by
	// the time it is needed it might not be there yet.
	count, oldest := f.slice*f.segment, uint32(0)
	if f.pass > 0 {
		count, oldest = f.length-f.segment, (f.slice+1)%slices*f.segment
	}
	if lane == f.lane {
		count += i - 1
	} else if i == 0 {
		count--
	}
	x := j & 0xFFFFFFFF
	x = x * x >> 32
	y := uint64(count) * x >> 32
	return lane*f.length + (oldest+count-1-uint32(y))%f.length
}
