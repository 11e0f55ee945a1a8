package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/blob"
)

// Check asks whether the bucket is there and may be listed. An *Error with Advice
// says what has to be put right; one without that S3 does not answer now.
func (s *Store) Check(ctx context.Context) error {
	if _, _, err := s.page(ctx, "", ""); err != nil {
		return fmt.Errorf("look at the bucket %s: %w", s.opts.Bucket, err)
	}
	return nil
}

// Probe puts, gets and deletes a blob of its own, as doctor does.
func (s *Store) Probe(ctx context.Context) (err error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return err
	}
	key, content := "probe/"+id.String(), []byte("written by tideline doctor, to be deleted at once")
	if _, err := s.Put(ctx, key, bytes.NewReader(content)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Delete(ctx, key)) }()
	r, err := s.Open(ctx, key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	got, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, content) {
		return fmt.Errorf("probe: %w", blob.ErrDamaged)
	}
	return nil
}

// ParsePlace splits s3://bucket/prefix. The prefix ends in a slash unless it is
// empty.
func ParsePlace(place string) (bucket, prefix string, err error) {
	rest, ok := strings.CutPrefix(place, "s3://")
	bucket, prefix, _ = strings.Cut(rest, "/")
	if !ok || bucket == "" || strings.ContainsAny(rest, "?#@ \\") {
		return "", "", fmt.Errorf("%q is not a place such as s3://bucket/prefix", place)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return bucket, prefix, nil
}
