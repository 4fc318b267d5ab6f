// Package interop holds tests only. They hold package verify against what
// others say about the same tokens: the vectors of Project Wycheproof, and
// go-jose, another implementation of JOSE. Wherever the verdicts differ, the
// reason is written down and checked.
package interop
