// Package linear checks histories of concurrent requests, recorded from
// outside, against the rules about sessions as the contract with users has
// them: is there one order of all that was asked, each taking effect at one
// moment between its request and its answer, in which every answer is right?
//
// The rules are written here once more, from their description and not from
// the code, as a machine of a few fields: what both say alike is less likely
// to be one mistake made twice.
package linear
