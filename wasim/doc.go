// Package wasim is a WhatsApp network on loopback: the server that multi-device clients connect to, and
// the phones behind it. An unmodified whatsmeow client can be linked to an emulated phone, log in, send
// and receive end-to-end encrypted messages and attachments, and be put through what goes wrong in the
// field, without anything leaving the machine.
package wasim
