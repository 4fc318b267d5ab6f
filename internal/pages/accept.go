package pages

import (
	"mime"
	"strconv"
	"strings"
)

// format is one way to write a page.
type format uint8

// The formats, the preferred ones first.
const (
	asJSON format = iota
	asHTML
	asMarkdown
	asPlain // Markdown too, for those who ask for text
	formats
)

var contentTypes = [formats]string{
	asJSON:     "application/json",
	asHTML:     "text/html; charset=utf-8",
	asMarkdown: "text/markdown; charset=utf-8",
	asPlain:    "text/plain; charset=utf-8",
}

// How narrowly a media range names a format.
const (
	unnamed = iota
	byAny   // */*
	byType  // text/*
	byName  // text/html
)

// liking is how much a caller wants a format.
type liking struct {
	named   int // how narrowly; the narrowest range decides (RFC 9110 §12.5.1)
	quality float64
}

// negotiate returns the format that the Accept fields of a request like best.
// Of two liked alike it takes the one that is named more narrowly, so that
// "text/html, */*" is a browser, and then the preferred one. Where nothing fits
// it is JSON all the same: an explanation in another format is worth more than
// none (RFC 9110 §12.4.1 leaves the choice).
func negotiate(accept []string) format {
	var likings [formats]liking
	for _, field := range accept {
		for part := range strings.SplitSeq(field, ",") {
			kind, quality, ok := mediaRange(part)
			if !ok {
				continue
			}
			for f := range formats {
				likings[f] = likings[f].with(narrowness(kind, f), quality)
			}
		}
	}
	best := asJSON
	for f := asJSON + 1; f < formats; f++ {
		if likings[f].above(likings[best]) {
			best = f
		}
	}
	return best
}

// with returns the liking after one more range that names the format.
func (l liking) with(named int, quality float64) liking {
	switch {
	case named == unnamed || named < l.named:
		return l
	case named == l.named:
		return liking{named, max(quality, l.quality)}
	default:
		return liking{named, quality}
	}
}

func (l liking) above(other liking) bool {
	if l.quality != other.quality {
		return l.quality > other.quality
	}
	return l.quality > 0 && l.named > other.named
}

func narrowness(kind string, f format) int {
	if kind == "application/problem+json" { // what explains a problem is asked for as one
		kind = contentTypes[asJSON]
	}
	name, _, _ := strings.Cut(contentTypes[f], ";")
	group, _, _ := strings.Cut(name, "/")
	switch kind {
	case name:
		return byName
	case group + "/*":
		return byType
	case "*/*":
		return byAny
	default:
		return unnamed
	}
}

// mediaRange reads one element of an Accept field. Parameters but the weight
// are passed over: "application/json; charset=utf-8" means JSON.
func mediaRange(s string) (kind string, quality float64, ok bool) {
	kind, params, err := mime.ParseMediaType(s)
	if err != nil {
		return "", 0, false
	}
	weight, given := params["q"]
	if !given {
		return kind, 1, true
	}
	quality, err = strconv.ParseFloat(weight, 64)
	return kind, quality, err == nil && quality >= 0 && quality <= 1
}
