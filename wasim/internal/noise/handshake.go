package noise

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waWa6"
)

const pattern = "Noise_XX_25519_AESGCM_SHA256\x00\x00\x00\x00"

// Peer is who a handshake was made with.
type Peer struct {
	Static  [32]byte // the client's long-term Noise key
	Payload *waWa6.ClientPayload
}

// Respond answers a client's handshake. It reads from r and passes each of its frames, length
// included, to write. The returned ciphers protect all later frames: recv those of the client, send
// those of the server.
func Respond(a *Authority, r io.Reader, write func([]byte) error) (peer Peer, recv, send *Cipher, err error) {
	header, err := readPrologue(r)
	if err != nil {
		return peer, nil, nil, err
	}
	hello, err := readHandshake(r)
	if err != nil {
		return peer, nil, nil, err
	}
	clientEphemeral, err := publicKey(hello.GetClientHello().GetEphemeral())
	if err != nil {
		return peer, nil, nil, fmt.Errorf("client hello: %w", err)
	}

	s := newSymmetric(header)
	s.mixHash(clientEphemeral.Bytes())
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return peer, nil, nil, fmt.Errorf("generate ephemeral key: %w", err)
	}
	s.mixHash(ephemeral.PublicKey().Bytes())
	if err = s.mixDH(ephemeral, clientEphemeral); err != nil {
		return peer, nil, nil, err
	}
	static := s.seal(a.static.PublicKey().Bytes())
	if err = s.mixDH(a.static, clientEphemeral); err != nil {
		return peer, nil, nil, err
	}
	reply, err := proto.Marshal(&waWa6.HandshakeMessage{ServerHello: &waWa6.HandshakeMessage_ServerHello{
		Ephemeral: ephemeral.PublicKey().Bytes(),
		Static:    static,
		Payload:   s.seal(a.chain),
	}})
	if err != nil {
		return peer, nil, nil, fmt.Errorf("marshal server hello: %w", err)
	}
	if err = write(AppendFrame(nil, reply)); err != nil {
		return peer, nil, nil, fmt.Errorf("write server hello: %w", err)
	}

	finish, err := readHandshake(r)
	if err != nil {
		return peer, nil, nil, err
	}
	rawStatic, err := s.open(finish.GetClientFinish().GetStatic())
	if err != nil {
		return peer, nil, nil, fmt.Errorf("client static key: %w", err)
	}
	clientStatic, err := publicKey(rawStatic)
	if err != nil {
		return peer, nil, nil, fmt.Errorf("client static key: %w", err)
	}
	if err = s.mixDH(ephemeral, clientStatic); err != nil {
		return peer, nil, nil, err
	}
	rawPayload, err := s.open(finish.GetClientFinish().GetPayload())
	if err != nil {
		return peer, nil, nil, fmt.Errorf("client payload: %w", err)
	}
	peer.Static = [32]byte(rawStatic)
	peer.Payload = new(waWa6.ClientPayload)
	if err = proto.Unmarshal(rawPayload, peer.Payload); err != nil {
		return peer, nil, nil, fmt.Errorf("unmarshal client payload: %w", err)
	}
	recv, send, err = s.split()
	return peer, recv, send, err
}

func readHandshake(r io.Reader) (*waWa6.HandshakeMessage, error) {
	frame, err := ReadFrame(r, MaxHandshakeFrame)
	if err != nil {
		return nil, fmt.Errorf("read handshake frame: %w", err)
	}
	msg := new(waWa6.HandshakeMessage)
	if err = proto.Unmarshal(frame, msg); err != nil {
		return nil, fmt.Errorf("unmarshal handshake frame: %w", err)
	}
	return msg, nil
}

func publicKey(raw []byte) (*ecdh.PublicKey, error) {
	return ecdh.X25519().NewPublicKey(raw)
}

// symmetric is the Noise SymmetricState: hash h, chaining key ck and cipher key k with its nonce.
type symmetric struct {
	hash  []byte
	chain []byte
	aead  cipher.AEAD
	nonce uint32
}

func newSymmetric(prologue []byte) *symmetric {
	// The pattern's name is exactly one hash long, so it is h, ck and, other than in the Noise
	// specification, the first k at the same time (whatsmeow socket/noisehandshake.go, Start).
	s := &symmetric{hash: []byte(pattern), chain: []byte(pattern)}
	s.aead, _ = newAEAD(s.hash) // a key of 32 bytes can't fail
	s.mixHash(prologue)
	return s
}

func (s *symmetric) mixHash(data []byte) {
	h := sha256.New()
	h.Write(s.hash)
	h.Write(data)
	s.hash = h.Sum(nil)
}

func (s *symmetric) mixDH(private *ecdh.PrivateKey, public *ecdh.PublicKey) error {
	secret, err := private.ECDH(public)
	if err != nil {
		return fmt.Errorf("key agreement: %w", err)
	}
	chain, key, err := s.expand(secret)
	if err != nil {
		return err
	}
	s.chain, s.nonce = chain, 0
	s.aead, err = newAEAD(key)
	return err
}

func (s *symmetric) expand(secret []byte) (first, second []byte, err error) {
	out, err := hkdf.Key(sha256.New, secret, s.chain, "", 64)
	if err != nil {
		return nil, nil, fmt.Errorf("derive keys: %w", err)
	}
	return out[:32], out[32:], nil
}

func (s *symmetric) seal(plaintext []byte) []byte {
	out := s.aead.Seal(nil, nonce(s.nonce), plaintext, s.hash)
	s.nonce++
	s.mixHash(out)
	return out
}

func (s *symmetric) open(ciphertext []byte) ([]byte, error) {
	out, err := s.aead.Open(nil, nonce(s.nonce), ciphertext, s.hash)
	if err != nil {
		return nil, err
	}
	s.nonce++
	s.mixHash(ciphertext)
	return out, nil
}

// split derives the transport ciphers: the first key protects what the client sends.
func (s *symmetric) split() (recv, send *Cipher, err error) {
	fromClient, fromServer, err := s.expand(nil)
	if err != nil {
		return nil, nil, err
	}
	if recv, err = newCipher(fromClient); err != nil {
		return nil, nil, err
	}
	send, err = newCipher(fromServer)
	return recv, send, err
}

// Cipher protects the frames of one direction. It counts frames, so it must see each exactly once
// and in order; it isn't safe for concurrent use.
type Cipher struct {
	aead  cipher.AEAD
	nonce uint32
}

func newCipher(key []byte) (*Cipher, error) {
	aead, err := newAEAD(key)
	return &Cipher{aead: aead}, err
}

// ErrExhausted is returned once a cipher has protected 2³²−1 frames.
var ErrExhausted = errors.New("frame counter exhausted")

// Frame appends a frame holding the encrypted plaintext to dst.
func (c *Cipher) Frame(dst, plaintext []byte) ([]byte, error) {
	size := len(plaintext) + c.aead.Overhead()
	if size > MaxFrame {
		return nil, fmt.Errorf("frame of %d bytes is above the limit of %d", size, MaxFrame)
	}
	if c.nonce == 1<<32-1 {
		return nil, ErrExhausted
	}
	dst = append(dst, byte(size>>16), byte(size>>8), byte(size))
	dst = c.aead.Seal(dst, nonce(c.nonce), plaintext, nil)
	c.nonce++
	return dst, nil
}

// Open decrypts a frame's body in place.
func (c *Cipher) Open(body []byte) ([]byte, error) {
	if c.nonce == 1<<32-1 {
		return nil, ErrExhausted
	}
	out, err := c.aead.Open(body[:0], nonce(c.nonce), body, nil)
	if err != nil {
		return nil, fmt.Errorf("decrypt frame: %w", err)
	}
	c.nonce++
	return out, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("create cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

func nonce(counter uint32) []byte {
	var iv [12]byte
	binary.BigEndian.PutUint32(iv[8:], counter)
	return iv[:]
}
