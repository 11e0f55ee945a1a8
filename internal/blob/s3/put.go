package s3

import (
	"bytes"
	"context"
	"crypto/md5" // the hash of Content-MD5, against damage on the way
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/tidelinehq/tideline/internal/blob"
)

const (
	// inMemory is the size up to which a blob waits in memory, in bytes.
	inMemory = 256 << 10
	// slowest is the rate below which an upload is given up, in bytes per second.
	slowest = 32 << 10
	// sumName is the metadata with a blob's SHA-256 in hex, as the library spells it.
	sumName = "Sha256"
)

var errTooLarge = errors.New("a blob in S3 can have 5 GiB at most")

// Put implements blob.Store.
func (s *Store) Put(ctx context.Context, key string, r io.Reader) (blob.Written, error) {
	if err := blob.CheckKey(key); err != nil {
		return blob.Written{}, err
	}
	in := &spool{dir: s.opts.SpoolDir}
	defer in.remove()
	if err := in.take(ctx, r); err != nil {
		return blob.Written{}, fmt.Errorf("put blob: %w", err)
	}
	opts := minio.PutObjectOptions{
		ContentType:          "application/octet-stream",
		UserMetadata:         map[string]string{sumName: hex.EncodeToString(in.w.SHA256[:])},
		DisableContentSha256: true, // of chunks; that of the whole is signed
	}
	limit := s.opts.IdleTimeout + time.Duration(in.w.Size/slowest)*time.Second
	err := s.do(ctx, opPut, limit, func(ctx context.Context) error {
		// A section can't be closed, which the library would do after the first attempt.
		body := io.NewSectionReader(in.content(), 0, in.w.Size)
		done, err := s.core.PutObject(ctx, s.opts.Bucket, s.object(key), body, in.w.Size,
			base64.StdEncoding.EncodeToString(in.md5), hex.EncodeToString(in.w.SHA256[:]), opts)
		if err == nil && done.ETag == "" {
			return fmt.Errorf("%w: it took an object and gave no ETag", errNoS3)
		}
		return err
	})
	if err != nil {
		return blob.Written{}, fmt.Errorf("put blob: %w", err)
	}
	return in.w, nil
}

// spool holds what is to be put, so that it can be sent again: up to inMemory
// bytes in memory, more in a file.
type spool struct {
	dir    string
	memory []byte
	file   *os.File // nil = all is in memory
	w      blob.Written
	md5    []byte
}

// take takes in all of r.
func (s *spool) take(ctx context.Context, r io.Reader) error {
	sum, md := sha256.New(), md5.New()
	in := io.TeeReader(readerContext{ctx, r}, io.MultiWriter(sum, md))
	var head bytes.Buffer
	_, err := io.CopyN(&head, in, inMemory)
	s.memory, s.w.Size = head.Bytes(), int64(head.Len())
	if err == nil {
		err = s.spill(in)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	sum.Sum(s.w.SHA256[:0])
	s.md5 = md.Sum(nil)
	return nil
}

// spill takes what does not fit into memory, and what is there, into a file.
func (s *spool) spill(rest io.Reader) (err error) {
	if s.file, err = os.CreateTemp(s.dir, "put-*"); err != nil {
		return err
	}
	if _, err := s.file.Write(s.memory); err != nil {
		return err
	}
	n, err := io.Copy(s.file, io.LimitReader(rest, maxObject-s.w.Size+1))
	if s.w.Size += n; err == nil && s.w.Size > maxObject {
		err = errTooLarge
	}
	s.memory = nil
	return err
}

func (s *spool) content() io.ReaderAt {
	if s.file != nil {
		return s.file
	}
	return bytes.NewReader(s.memory)
}

// remove lets the bytes go. A file that can't be removed goes when the server
// empties the folder at its next start.
func (s *spool) remove() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}

// readerContext ends a copy when its context ends.
type readerContext struct {
	ctx context.Context
	r   io.Reader
}

func (r readerContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
