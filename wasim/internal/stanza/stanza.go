// Package stanza reads and builds WhatsApp stanzas on top of whatsmeow's binary codec, safely for a
// server, whose peers may send anything.
package stanza

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/binary/token"
	"go.mau.fi/whatsmeow/types"
)

type (
	// Node is whatsmeow's.
	Node = waBinary.Node
	// Attrs is whatsmeow's.
	Attrs = waBinary.Attrs
)

// maxUnpacked bounds what a compressed stanza may become.
const maxUnpacked = 16 << 20

// Decode decodes the plaintext of a frame.
func Decode(frame []byte) (node *Node, err error) {
	if len(frame) == 0 {
		return nil, errors.New("empty frame")
	}
	// The codec was written for a client that trusts its server.
	defer func() {
		if r := recover(); r != nil {
			node, err = nil, fmt.Errorf("decode stanza: %v", r)
		}
	}()
	data := frame[1:]
	if frame[0]&2 != 0 {
		z, err := zlib.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("decompress stanza: %w", err)
		}
		data, err = io.ReadAll(io.LimitReader(z, maxUnpacked))
		if err != nil {
			return nil, fmt.Errorf("decompress stanza: %w", err)
		}
	}
	if err = checkNesting(data); err != nil {
		return nil, err
	}
	node, err = waBinary.Unmarshal(data)
	if err != nil {
		return nil, fmt.Errorf("decode stanza: %w", err)
	}
	return node, nil
}

// maxLists bounds the list tags in a stanza and with them the depth of its nesting: the codec recurses,
// and a stack that overflows can't be recovered. Ciphertext holds the two tags about once in 128
// bytes by chance, so a stanza of several megabytes still passes.
const maxLists = 100_000

func checkNesting(data []byte) error {
	if bytes.Count(data, []byte{token.List8})+bytes.Count(data, []byte{token.List16}) > maxLists {
		return errors.New("decode stanza: too many lists")
	}
	return nil
}

// Encode encodes a stanza as the plaintext of a frame.
func Encode(n Node) (data []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			data, err = nil, fmt.Errorf("encode stanza %s: %v", n.Tag, r)
		}
	}()
	return waBinary.Marshal(n)
}

// Bytes returns a node's content when it isn't a list of nodes. The codec turns content that
// happens to be a dictionary token, or only digits, into a string; both forms are accepted.
func Bytes(n Node) []byte {
	switch c := n.Content.(type) {
	case []byte:
		return c
	case string:
		return []byte(c)
	}
	return nil
}

// Child returns the content of the first child with the given tag.
func Child(n Node, tag string) []byte { return Bytes(Get(n, tag)) }

// Get follows tags down a stanza's children and returns the node they lead to, or an empty node.
// (The method GetChildByTag returns the parent when a child is missing.)
func Get(n Node, tags ...string) Node {
	child, ok := n.GetOptionalChildByTag(tags...)
	if !ok {
		return Node{}
	}
	return child
}

// Str returns an attribute as text, "" when it is missing.
func Str(n *Node, key string) string {
	switch v := n.Attrs[key].(type) {
	case string:
		return v
	case types.JID:
		return v.String()
	}
	return ""
}

// JID returns an attribute that is a JID, the empty JID when it is missing or something else.
func JID(n *Node, key string) types.JID {
	j, _ := n.Attrs[key].(types.JID)
	return j
}

// Int returns an attribute as a number, 0 when it is missing or something else.
func Int(n *Node, key string) int {
	i, _ := strconv.Atoi(Str(n, key))
	return i
}

// First returns a node's first child.
func First(n *Node) (Node, bool) {
	if c := n.GetChildren(); len(c) > 0 {
		return c[0], true
	}
	return Node{}, false
}

// KeyID encodes a key id as the three bytes that the protocol uses.
func KeyID(id uint32) []byte {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], id)
	return b[1:]
}

// ParseKeyID decodes a key id of three bytes.
func ParseKeyID(b []byte) (uint32, bool) {
	if len(b) != 3 {
		return 0, false
	}
	return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]), true
}

// Uint32 encodes a number as four big-endian bytes.
func Uint32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
