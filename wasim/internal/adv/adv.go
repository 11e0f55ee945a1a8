// Package adv holds the cryptography of linking a companion to a phone: the signed device identity that
// both sides put their names under, and the agreement behind an eight-character linking code.
package adv

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/libsignal/ecc"
	"google.golang.org/protobuf/proto"

	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/util/keys"
)

// Signatures are made over a prefix, the details and the keys involved (whatsmeow pair.go).
var (
	accountPrefix = []byte{6, 0}
	devicePrefix  = []byte{6, 1}
)

// Identity is a device identity signed by the phone and not yet by the companion.
type Identity struct {
	details   []byte
	account   [32]byte // the phone's identity key
	companion [32]byte
	// Container is the content of pair-success > device-identity.
	Container []byte
}

// Sign makes the device identity of a companion and authenticates it with the secret that the
// companion showed in its QR code or agreed on through a linking code.
func Sign(phone *keys.KeyPair, companion [32]byte, secret []byte, keyIndex uint32, now time.Time) (*Identity, error) {
	details, err := proto.Marshal(&waAdv.ADVDeviceIdentity{
		RawID:       proto.Uint32(uint32(now.Unix())),
		Timestamp:   proto.Uint64(uint64(now.Unix())),
		KeyIndex:    proto.Uint32(keyIndex),
		AccountType: waAdv.ADVEncryptionType_E2EE.Enum(),
		DeviceType:  waAdv.ADVEncryptionType_E2EE.Enum(),
	})
	if err != nil {
		return nil, fmt.Errorf("marshal device identity: %w", err)
	}
	signature := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*phone.Priv), concat(accountPrefix, details, companion[:]))
	signed, err := proto.Marshal(&waAdv.ADVSignedDeviceIdentity{
		Details:             details,
		AccountSignatureKey: phone.Pub[:],
		AccountSignature:    signature[:],
	})
	if err != nil {
		return nil, fmt.Errorf("marshal signed device identity: %w", err)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(signed)
	container, err := proto.Marshal(&waAdv.ADVSignedDeviceIdentityHMAC{Details: signed, HMAC: mac.Sum(nil)})
	if err != nil {
		return nil, fmt.Errorf("marshal device identity container: %w", err)
	}
	return &Identity{details: details, account: *phone.Pub, companion: companion, Container: container}, nil
}

// Verify checks the companion's answer, the content of pair-device-sign > device-identity.
func (i *Identity) Verify(answer []byte) error {
	var signed waAdv.ADVSignedDeviceIdentity
	if err := proto.Unmarshal(answer, &signed); err != nil {
		return fmt.Errorf("unmarshal device identity: %w", err)
	}
	if string(signed.GetDetails()) != string(i.details) {
		return errors.New("companion signed another device identity")
	}
	if len(signed.GetDeviceSignature()) != 64 {
		return errors.New("companion's signature is missing")
	}
	message := concat(devicePrefix, i.details, i.companion[:], i.account[:])
	if !ecc.VerifySignature(ecc.NewDjbECPublicKey(i.companion), message, [64]byte(signed.GetDeviceSignature())) {
		return errors.New("companion's signature doesn't verify")
	}
	return nil
}

func concat(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
