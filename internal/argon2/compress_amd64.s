//go:build !purego

#include "textflag.h"

// A permutation P takes 16 words as the rows A, B, C and D of a 4 by 4 matrix
// and mixes its columns, then its diagonals. Two permutations go on at once,
// in the registers
//
//	Y0 Y1 = A, Y2 Y3 = B, Y4 Y5 = C, Y6 Y7 = D
//
// so that the latencies of one hide behind the other. Y8 and Y9 are spare, Y10
// and Y11 hold how VPSHUFB rotates by 24 and by 16 bits.

DATA rotate24<>+0(SB)/8, $0x0201000706050403
DATA rotate24<>+8(SB)/8, $0x0a09080f0e0d0c0b
GLOBL rotate24<>(SB), RODATA|NOPTR, $16

DATA rotate16<>+0(SB)/8, $0x0100070605040302
DATA rotate16<>+8(SB)/8, $0x09080f0e0d0c0b0a
GLOBL rotate16<>(SB), RODATA|NOPTR, $16

// X += Y + 2·lo(X)·lo(Y), twice.
#define MULADD(X0, X1, Y0_, Y1_) \
	VPMULUDQ Y0_, X0, Y8; \
	VPMULUDQ Y1_, X1, Y9; \
	VPADDQ   Y0_, X0, X0; \
	VPADDQ   Y1_, X1, X1; \
	VPADDQ   Y8, Y8, Y8;  \
	VPADDQ   Y9, Y9, Y9;  \
	VPADDQ   Y8, X0, X0;  \
	VPADDQ   Y9, X1, X1

// GB (RFC 9106 §3.6) on A, B0 B1, C0 C1, D0 D1, each lane for itself.
#define MIX(B0, B1, C0, C1, D0, D1) \
	MULADD(Y0, Y1, B0, B1)   \
	VPXOR    Y0, D0, D0;     \
	VPXOR    Y1, D1, D1;     \
	VPSHUFD  $0xB1, D0, D0;  \
	VPSHUFD  $0xB1, D1, D1;  \
	MULADD(C0, C1, D0, D1)   \
	VPXOR    C0, B0, B0;     \
	VPXOR    C1, B1, B1;     \
	VPSHUFB  Y10, B0, B0;    \
	VPSHUFB  Y10, B1, B1;    \
	MULADD(Y0, Y1, B0, B1)   \
	VPXOR    Y0, D0, D0;     \
	VPXOR    Y1, D1, D1;     \
	VPSHUFB  Y11, D0, D0;    \
	VPSHUFB  Y11, D1, D1;    \
	MULADD(C0, C1, D0, D1)   \
	VPXOR    C0, B0, B0;     \
	VPXOR    C1, B1, B1;     \
	VPADDQ   B0, B0, Y8;     \
	VPADDQ   B1, B1, Y9;     \
	VPSRLQ   $63, B0, B0;    \
	VPSRLQ   $63, B1, B1;    \
	VPXOR    Y8, B0, B0;     \
	VPXOR    Y9, B1, B1

// P twice, where the registers Y0, Y2, Y4, Y6 hold one matrix and Y1, Y3, Y5,
// Y7 the other. Its diagonals become columns by turning the rows B, C and D.
#define ROUND_ROWS \
	MIX(Y2, Y3, Y4, Y5, Y6, Y7) \
	VPERMQ $0x39, Y2, Y2; \
	VPERMQ $0x39, Y3, Y3; \
	VPERMQ $0x4E, Y4, Y4; \
	VPERMQ $0x4E, Y5, Y5; \
	VPERMQ $0x93, Y6, Y6; \
	VPERMQ $0x93, Y7, Y7; \
	MIX(Y2, Y3, Y4, Y5, Y6, Y7) \
	VPERMQ $0x93, Y2, Y2; \
	VPERMQ $0x93, Y3, Y3; \
	VPERMQ $0x4E, Y4, Y4; \
	VPERMQ $0x4E, Y5, Y5; \
	VPERMQ $0x39, Y6, Y6; \
	VPERMQ $0x39, Y7, Y7

// P twice, where the low halves of the registers hold one matrix, half a row
// in each, and the high halves the other. To turn a row is to shift its two
// registers into each other; to turn C by two is to swap their names.
#define ROUND_COLUMNS \
	MIX(Y2, Y3, Y4, Y5, Y6, Y7) \
	VPALIGNR $8, Y2, Y3, Y8; \
	VPALIGNR $8, Y3, Y2, Y3; \
	VMOVDQA  Y8, Y2;         \
	VPALIGNR $8, Y7, Y6, Y8; \
	VPALIGNR $8, Y6, Y7, Y7; \
	VMOVDQA  Y8, Y6;         \
	MIX(Y2, Y3, Y5, Y4, Y6, Y7) \
	VPALIGNR $8, Y3, Y2, Y8; \
	VPALIGNR $8, Y2, Y3, Y3; \
	VMOVDQA  Y8, Y2;         \
	VPALIGNR $8, Y6, Y7, Y8; \
	VPALIGNR $8, Y7, Y6, Y7; \
	VMOVDQA  Y8, Y6

// Two rows of a XOR b, 128 bytes each.
#define LOAD(OFFSET, REG) \
	VMOVDQU OFFSET(SI), REG;  \
	VPXOR   OFFSET(DX), REG, REG

// func compressAVX2(out, a, b *block, xor bool)
TEXT ·compressAVX2(SB), 0, $1024-25
	MOVQ    out+0(FP), DI
	MOVQ    a+8(FP), SI
	MOVQ    b+16(FP), DX
	MOVBLZX xor+24(FP), CX

	VBROADCASTI128 rotate24<>(SB), Y10
	VBROADCASTI128 rotate16<>(SB), Y11

	// a XOR b, permuted by rows, goes to the stack: out may be a or b, which
	// are needed once more.
	MOVQ SP, R8
	MOVQ $4, R9

rows:
	LOAD(0, Y0)
	LOAD(32, Y2)
	LOAD(64, Y4)
	LOAD(96, Y6)
	LOAD(128, Y1)
	LOAD(160, Y3)
	LOAD(192, Y5)
	LOAD(224, Y7)
	ROUND_ROWS
	VMOVDQU Y0, 0(R8)
	VMOVDQU Y2, 32(R8)
	VMOVDQU Y4, 64(R8)
	VMOVDQU Y6, 96(R8)
	VMOVDQU Y1, 128(R8)
	VMOVDQU Y3, 160(R8)
	VMOVDQU Y5, 192(R8)
	VMOVDQU Y7, 224(R8)
	ADDQ    $256, SI
	ADDQ    $256, DX
	ADDQ    $256, R8
	DECQ    R9
	JNZ     rows

	SUBQ $1024, SI
	SUBQ $1024, DX
	MOVQ SP, R8
	MOVQ $4, R9

columns:
	VMOVDQU 0(R8), Y0
	VMOVDQU 128(R8), Y1
	VMOVDQU 256(R8), Y2
	VMOVDQU 384(R8), Y3
	VMOVDQU 512(R8), Y4
	VMOVDQU 640(R8), Y5
	VMOVDQU 768(R8), Y6
	VMOVDQU 896(R8), Y7
	ROUND_COLUMNS
	TESTL   CX, CX
	JZ      store
	VPXOR   0(DI), Y0, Y0
	VPXOR   128(DI), Y1, Y1
	VPXOR   256(DI), Y2, Y2
	VPXOR   384(DI), Y3, Y3
	VPXOR   512(DI), Y4, Y4
	VPXOR   640(DI), Y5, Y5
	VPXOR   768(DI), Y6, Y6
	VPXOR   896(DI), Y7, Y7

store:
#define STORE(OFFSET, REG) \
	VPXOR   OFFSET(SI), REG, REG; \
	VPXOR   OFFSET(DX), REG, REG; \
	VMOVDQU REG, OFFSET(DI)

	STORE(0, Y0)
	STORE(128, Y1)
	STORE(256, Y2)
	STORE(384, Y3)
	STORE(512, Y4)
	STORE(640, Y5)
	STORE(768, Y6)
	STORE(896, Y7)
	ADDQ $32, SI
	ADDQ $32, DX
	ADDQ $32, DI
	ADDQ $32, R8
	DECQ R9
	JNZ  columns

	VZEROUPPER
	RET
