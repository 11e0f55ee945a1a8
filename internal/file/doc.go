// Package file takes uploads, finds them again and gives out links to them.
//
// A file is bytes in blob storage and a record in the database. The bytes go
// first: a record never names bytes that are not on disk. A crash between the
// two leaves bytes that nothing names, which cost disk space and nothing else.
//
// A link carries its own permission, a signature over the file's uid and an
// expiry, so that a browser, or WhatsApp's media server, can fetch the file
// without a token. See links.go.
package file
