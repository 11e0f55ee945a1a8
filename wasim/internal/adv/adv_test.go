package adv

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"os"
	"testing"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/util/keys"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim/internal/signallog"
)

func TestMain(m *testing.M) {
	signallog.Silence()
	os.Exit(m.Run())
}

func TestDeviceIdentityIsVerified(t *testing.T) {
	t.Parallel()
	phone, companion := keys.NewKeyPair(), keys.NewKeyPair()
	id, err := Sign(phone, *companion.Pub, []byte("secret"), 1, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	answer := func(signer *keys.KeyPair, details []byte) []byte {
		sig := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*signer.Priv), concat(devicePrefix, details, companion.Pub[:], phone.Pub[:]))
		raw, err := proto.Marshal(&waAdv.ADVSignedDeviceIdentity{Details: details, DeviceSignature: sig[:]})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	if err := id.Verify(answer(companion, id.details)); err != nil {
		t.Errorf("genuine answer: %v", err)
	}
	for name, raw := range map[string][]byte{
		"wrong signer": answer(phone, id.details), "other details": answer(companion, []byte("x")),
		"no signature": nil, "garbage": {0xff, 0xff},
	} {
		if id.Verify(raw) == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestLinkingCodesAreNormalised(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"abcd-efgh": "ABCDEFGH", " ABCD EFGH ": "ABCDEFGH", "12345678": "12345678"} {
		if got, err := NormalizeCode(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "ABCDEFG", "ABCDEFGHJ", "ABCD0EFG", "ABCDEFG!", "ÄBCDEFGH"} {
		if got, err := NormalizeCode(in); err == nil {
			t.Errorf("%q was taken for %q", in, got)
		}
	}
}

func TestLinkRefusesWrongCodesAndGarbage(t *testing.T) {
	t.Parallel()
	identity := keys.NewKeyPair()
	companion, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, saltSize+ivSize)
	_, _ = rand.Read(head)
	wrapped, err := codeXOR("ABCDEFGH", head[:saltSize], head[saltSize:], companion.PublicKey().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	link, err := NewLink("ABCDEFGJ", append(head, wrapped...), *identity.Priv)
	if err != nil {
		t.Fatal(err)
	}
	bundle := make([]byte, saltSize+nonceSize+3*keySize+16)
	if _, _, err = link.Finish(bundle); !errors.Is(err, ErrWrongCode) {
		t.Errorf("bundle under another key: %v", err)
	}
	if _, _, err = link.Finish(nil); err == nil {
		t.Error("an empty bundle was accepted")
	}
	if _, err = NewLink("ABCDEFGH", []byte("short"), *identity.Priv); err == nil {
		t.Error("a short wrapped key was accepted")
	}
}

func FuzzNormalizeCode(f *testing.F) {
	f.Add("ABCD-EFGH")
	f.Fuzz(func(t *testing.T, s string) {
		if code, err := NormalizeCode(s); err == nil && len(code) != codeLength {
			t.Errorf("%q became %q", s, code)
		}
	})
}
