package attachment

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestSealedFilesOpen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "plain")
		s, err := Seal(plain, Image)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Open(bytes.Clone(s.Data), s.Key, s.EncSHA256, s.SHA256, Image)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("got %x, %v", got, err)
		}
		if _, err = Open(bytes.Clone(s.Data), s.Key, s.EncSHA256, s.SHA256, Video); !errors.Is(err, ErrMAC) {
			t.Fatalf("under another kind: %v", err)
		}
		bent := bytes.Clone(s.Data)
		bent[rapid.IntRange(0, len(bent)-1).Draw(t, "at")] ^= 1
		if _, err = Open(bent, s.Key, s.EncSHA256, s.SHA256, Image); !errors.Is(err, ErrHash) {
			t.Fatalf("changed file: %v", err)
		}
		if _, err = Open(bytes.Clone(s.Data), s.Key, s.EncSHA256, make([]byte, 32), Image); !errors.Is(err, ErrPlainHash) {
			t.Fatalf("wrong plaintext hash: %v", err)
		}
	})
}
