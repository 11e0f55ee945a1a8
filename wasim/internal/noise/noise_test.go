package noise

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim/internal/signallog"
)

func TestMain(m *testing.M) {
	signallog.Silence()
	os.Exit(m.Run())
}

func authority(t testing.TB) *Authority {
	t.Helper()
	a, err := NewAuthority(bytes.Repeat([]byte{7}, SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAuthorityIsDeterminedByItsSeed(t *testing.T) {
	t.Parallel()
	first, again := authority(t), authority(t)
	if first.RootKey() != again.RootKey() {
		t.Error("equal seeds gave different root keys")
	}
	other, err := NewAuthority(NewSeed())
	if err != nil || other.RootKey() == first.RootKey() {
		t.Errorf("different seeds gave equal root keys, %v", err)
	}
	if _, err := NewAuthority([]byte("short")); err == nil {
		t.Error("a short seed was accepted")
	}
}

func TestFramesRoundTrip(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 255, 65536, 1 << 20} {
		body := make([]byte, size)
		_, _ = rand.Read(body)
		got, err := ReadFrame(bytes.NewReader(AppendFrame(nil, body)), MaxFrame)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
}

func TestFrameLimitsAndTruncation(t *testing.T) {
	t.Parallel()
	frame := AppendFrame(nil, make([]byte, 100))
	if _, err := ReadFrame(bytes.NewReader(frame), 99); err == nil {
		t.Error("a frame above the limit was read")
	}
	if _, err := ReadFrame(bytes.NewReader(frame[:50]), MaxFrame); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("truncated frame: %v", err)
	}
	if _, err := ReadFrame(bytes.NewReader([]byte{0xff, 0xff, 0xff, 1}), MaxFrame); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("lying frame: %v", err)
	}
	if _, err := ReadFrame(bytes.NewReader(nil), MaxFrame); !errors.Is(err, io.EOF) {
		t.Errorf("no frame: %v", err)
	}
}

// initiate is a client's half of the handshake, for the tests.
func initiate(t *testing.T, rw io.ReadWriter, payload *waWa6.ClientPayload) (static *ecdh.PrivateKey, send, recv *Cipher) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	header := []byte{'W', 'A', 6, 3}
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	must(err)
	static, err = ecdh.X25519().GenerateKey(rand.Reader)
	must(err)
	s := newSymmetric(header)
	s.mixHash(ephemeral.PublicKey().Bytes())
	hello, err := proto.Marshal(&waWa6.HandshakeMessage{ClientHello: &waWa6.HandshakeMessage_ClientHello{
		Ephemeral: ephemeral.PublicKey().Bytes(),
	}})
	must(err)
	_, err = rw.Write(AppendFrame(header, hello))
	must(err)
	answer, err := readHandshake(rw)
	must(err)
	serverEphemeral, err := publicKey(answer.GetServerHello().GetEphemeral())
	must(err)
	s.mixHash(serverEphemeral.Bytes())
	must(s.mixDH(ephemeral, serverEphemeral))
	rawStatic, err := s.open(answer.GetServerHello().GetStatic())
	must(err)
	serverStatic, err := publicKey(rawStatic)
	must(err)
	must(s.mixDH(ephemeral, serverStatic))
	_, err = s.open(answer.GetServerHello().GetPayload())
	must(err)
	sealed := s.seal(static.PublicKey().Bytes())
	must(s.mixDH(static, serverEphemeral))
	raw, err := proto.Marshal(payload)
	must(err)
	finish, err := proto.Marshal(&waWa6.HandshakeMessage{ClientFinish: &waWa6.HandshakeMessage_ClientFinish{
		Static: sealed, Payload: s.seal(raw),
	}})
	must(err)
	_, err = rw.Write(AppendFrame(nil, finish))
	must(err)
	send, recv, err = s.split()
	must(err)
	return static, send, recv
}

type pipe struct {
	io.Reader
	io.Writer
}

func TestHandshakeAgreesOnKeysAndPayload(t *testing.T) {
	t.Parallel()
	fromClient, toServer := io.Pipe()
	fromServer, toClient := io.Pipe()
	type side struct {
		static     *ecdh.PrivateKey
		send, recv *Cipher
	}
	client := make(chan side, 1)
	go func() {
		var c side
		c.static, c.send, c.recv = initiate(t, pipe{fromServer, toServer}, &waWa6.ClientPayload{Username: proto.Uint64(14840000001)})
		client <- c
	}()
	peer, recv, send, err := Respond(authority(t), fromClient, func(b []byte) error {
		_, err := toClient.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c := <-client
	if !bytes.Equal(peer.Static[:], c.static.PublicKey().Bytes()) || peer.Payload.GetUsername() != 14840000001 {
		t.Errorf("peer %+v", peer)
	}
	for _, dir := range []struct{ from, to *Cipher }{{c.send, recv}, {send, c.recv}} {
		for _, text := range []string{"first", "second", ""} {
			frame, err := dir.from.Frame(nil, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			body, err := ReadFrame(bytes.NewReader(frame), MaxFrame)
			if err != nil {
				t.Fatal(err)
			}
			got, err := dir.to.Open(body)
			if err != nil || cmp.Diff(string(got), text) != "" {
				t.Errorf("got %q, %v", got, err)
			}
		}
	}
	if _, err = recv.Open([]byte("forged frame, long enough")); err == nil {
		t.Error("a forged frame was opened")
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(AppendFrame(nil, []byte("hello")))
	f.Add([]byte{0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		body, err := ReadFrame(bytes.NewReader(data), MaxFrame)
		if err == nil && !bytes.HasPrefix(data, AppendFrame(nil, body)) {
			t.Errorf("read %x from %x", body, data)
		}
	})
}

func FuzzRespond(f *testing.F) {
	a := authority(f)
	hello, _ := proto.Marshal(&waWa6.HandshakeMessage{ClientHello: &waWa6.HandshakeMessage_ClientHello{Ephemeral: bytes.Repeat([]byte{9}, 32)}})
	f.Add(AppendFrame([]byte("WA\x06\x03"), hello))
	f.Add(AppendFrame(AppendFrame([]byte("WA\x06\x03"), hello), hello))
	f.Add([]byte("GET / HTTP/1.1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _, _, err := Respond(a, bytes.NewReader(data), func([]byte) error { return nil })
		if err == nil {
			t.Error("a handshake without the client's keys succeeded")
		}
	})
}
