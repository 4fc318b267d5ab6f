package password

import (
	_ "embed"
	"strings"
)

// common lists common passwords, folded, sorted by bytes, each followed by a
// newline. It is searched where it lies: a program that starts does no work
// for it.
//
//go:embed common/common.txt
var common string

// isCommon reports whether the list has s, which must be folded.
func isCommon(s string) bool {
	low, high := 0, len(common) // the line of s, if any, starts in here; both are starts of lines
	for low < high {
		middle := low + (high-low)/2
		start := strings.LastIndexByte(common[low:middle], '\n') + 1 + low
		length := strings.IndexByte(common[start:], '\n')
		switch line := common[start : start+length]; {
		case line == s:
			return true
		case line < s:
			low = start + length + 1
		default:
			high = start
		}
	}
	return false
}
