// Package attachment encrypts, decrypts and verifies the files that messages refer to.
package attachment

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

const (
	macSize = 10
	keySize = 32
)

// Info strings separate the keys of different kinds of files (whatsmeow download.go, MediaType).
const (
	Image    = "WhatsApp Image Keys"
	Video    = "WhatsApp Video Keys"
	Audio    = "WhatsApp Audio Keys"
	Document = "WhatsApp Document Keys"
	History  = "WhatsApp History Keys"
)

// Errors of Open.
var (
	ErrHash      = errors.New("hash doesn't match")
	ErrMAC       = errors.New("authentication code doesn't match")
	ErrTooShort  = errors.New("file is too short")
	ErrPlainHash = errors.New("hash of the decrypted file doesn't match")
)

// Sealed is an encrypted file.
type Sealed struct {
	Key       []byte
	Data      []byte
	SHA256    []byte // of the plaintext
	EncSHA256 []byte // of Data
}

// Seal encrypts a file under a new key.
func Seal(plain []byte, info string) (Sealed, error) {
	key := make([]byte, keySize)
	_, _ = rand.Read(key)
	k, err := expand(key, info)
	if err != nil {
		return Sealed{}, err
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	data := make([]byte, len(plain)+pad, len(plain)+pad+macSize)
	copy(data, plain)
	for i := len(plain); i < len(data); i++ {
		data[i] = byte(pad)
	}
	block, err := aes.NewCipher(k.cipher)
	if err != nil {
		return Sealed{}, fmt.Errorf("file cipher: %w", err)
	}
	cipher.NewCBCEncrypter(block, k.iv).CryptBlocks(data, data)
	data = append(data, k.sum(data)...)
	plainSum, encSum := sha256.Sum256(plain), sha256.Sum256(data)
	return Sealed{Key: key, Data: data, SHA256: plainSum[:], EncSHA256: encSum[:]}, nil
}

// Open verifies and decrypts a file. data is overwritten.
func Open(data, key, encSHA256, plainSHA256 []byte, info string) ([]byte, error) {
	if sum := sha256.Sum256(data); !hmac.Equal(sum[:], encSHA256) {
		return nil, ErrHash
	}
	if len(data) < aes.BlockSize+macSize || (len(data)-macSize)%aes.BlockSize != 0 {
		return nil, ErrTooShort
	}
	k, err := expand(key, info)
	if err != nil {
		return nil, err
	}
	body, mac := data[:len(data)-macSize], data[len(data)-macSize:]
	if !hmac.Equal(k.sum(body), mac) {
		return nil, ErrMAC
	}
	block, err := aes.NewCipher(k.cipher)
	if err != nil {
		return nil, fmt.Errorf("file cipher: %w", err)
	}
	cipher.NewCBCDecrypter(block, k.iv).CryptBlocks(body, body)
	pad := int(body[len(body)-1])
	if pad == 0 || pad > aes.BlockSize {
		return nil, errors.New("file has wrong padding")
	}
	plain := body[:len(body)-pad]
	if sum := sha256.Sum256(plain); !hmac.Equal(sum[:], plainSHA256) {
		return nil, ErrPlainHash
	}
	return plain, nil
}

type fileKeys struct{ iv, cipher, mac []byte }

func expand(key []byte, info string) (fileKeys, error) {
	out, err := hkdf.Key(sha256.New, key, nil, info, 112)
	if err != nil {
		return fileKeys{}, fmt.Errorf("derive file keys: %w", err)
	}
	return fileKeys{iv: out[:16], cipher: out[16:48], mac: out[48:80]}, nil
}

func (k fileKeys) sum(data []byte) []byte {
	h := hmac.New(sha256.New, k.mac)
	h.Write(k.iv)
	h.Write(data)
	return h.Sum(nil)[:macSize]
}
