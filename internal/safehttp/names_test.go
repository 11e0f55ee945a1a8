package safehttp

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// names is a name server inside the process. Each lookup of a name gives the
// next of its answers, and the last one from then on.
type names struct {
	t  *testing.T
	mu sync.Mutex
	a  map[string][][]netip.Addr
}

// resolver gives a resolver that asks n.
func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go n.serve(server)
		return client, nil
	}}
}

// serve answers questions on a stream, each with its length before it (RFC 1035 4.2.2).
func (n *names) serve(c net.Conn) {
	defer c.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, q); err != nil {
			return
		}
		a := n.answer(q)
		binary.BigEndian.PutUint16(size[:], uint16(len(a)))
		if _, err := c.Write(append(size[:], a...)); err != nil {
			return
		}
	}
}

func (n *names) answer(q []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(q); err != nil {
		n.t.Errorf("name server: %v", err)
		return nil
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	question := m.Questions[0]
	n.mu.Lock()
	defer n.mu.Unlock()
	name := question.Name.String()
	answers, known := n.a[name]
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	if known && question.Type == dnsmessage.TypeA {
		if len(answers) > 1 {
			n.a[name] = answers[1:]
		}
		for _, a := range answers[0] {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
				Body:   &dnsmessage.AResource{A: a.As4()},
			})
		}
	}
	out, err := m.Pack()
	if err != nil {
		n.t.Errorf("name server: %v", err)
	}
	return out
}
