package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
)

// conn is one HTTP/1.1 connection that is kept alive (RFC 9112). It reads what
// net/http's server writes for short bodies and refuses everything else, so
// that the load costs little of the two processors that it shares with the
// server.
type conn struct {
	net.Conn
	buf [16 << 10]byte
}

func dial(ctx context.Context, address string) (*conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// dialAll returns n connections, and what closes them all.
func dialAll(ctx context.Context, address string, n int) (conns []*conn, closeAll func(), err error) {
	closeAll = func() {
		for _, c := range conns {
			_ = c.Close() // all that was asked has been answered
		}
	}
	for range n {
		c, err := dial(ctx, address)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		conns = append(conns, c)
	}
	return conns, closeAll, nil
}

var (
	endOfHead     = []byte("\r\n\r\n")
	statusLine    = []byte("HTTP/1.1 ")
	contentLength = []byte("\r\nContent-Length: ")
)

// exchange sends a request and returns the body of the answer, valid until the
// next exchange. Every status but 200 and 204 is an error.
func (c *conn) exchange(request []byte) ([]byte, error) {
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	read, head := 0, -1
	for head < 0 {
		if read == len(c.buf) {
			return nil, errors.New("the answer is longer than any that was asked for")
		}
		n, err := c.Read(c.buf[read:])
		if err != nil {
			return nil, fmt.Errorf("no answer: %w", err)
		}
		read += n
		head = bytes.Index(c.buf[:read], endOfHead)
	}
	if read == head+len(endOfHead) && hasStatus(c.buf[:head], "204 ") {
		return nil, nil
	}
	length, err := bodyLength(c.buf[:head])
	if err != nil {
		return nil, err
	}
	begin := head + len(endOfHead)
	end := begin + length
	if end > len(c.buf) || read > end {
		return nil, errors.New("the answer is longer than any that was asked for")
	}
	for read < end {
		n, err := c.Read(c.buf[read:end])
		if err != nil {
			return nil, fmt.Errorf("half an answer: %w", err)
		}
		read += n
	}
	if body := c.buf[begin:end]; hasStatus(c.buf[:head], "200 ") {
		return body, nil
	}
	return nil, fmt.Errorf("answered %.60q with %.400q", c.buf[:head], c.buf[begin:end])
}

func hasStatus(head []byte, status string) bool {
	rest, ok := bytes.CutPrefix(head, statusLine)
	return ok && bytes.HasPrefix(rest, []byte(status))
}

func bodyLength(head []byte) (int, error) {
	i := bytes.Index(head, contentLength)
	if i < 0 {
		return 0, fmt.Errorf("no Content-Length in %.200q", head)
	}
	digits, _, _ := bytes.Cut(head[i+len(contentLength):], []byte("\r"))
	n, err := strconv.ParseUint(string(digits), 10, 31)
	return int(n), err
}

// get writes a request with an access token, or without where that is empty.
func get(path, token string) []byte {
	b := []byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n")
	if token != "" {
		b = append(b, "Authorization: Bearer "+token+"\r\n"...)
	}
	return append(b, "\r\n"...)
}

// post appends a request with a JSON body to b. The field is one more line of
// the head, or empty.
func post(b []byte, path, field, body string) []byte {
	b = append(b, http.MethodPost+" "+path+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+field+"Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\n\r\n"...)
	return append(b, body...)
}
