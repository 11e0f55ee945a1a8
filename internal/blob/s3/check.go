package s3

import (
	"context"
	"fmt"
	"strings"
)

// Check asks whether the bucket is there and may be listed. An *Error with Advice
// says what has to be put right; one without that S3 does not answer now.
func (s *Store) Check(ctx context.Context) error {
	if _, _, err := s.page(ctx, "", ""); err != nil {
		return fmt.Errorf("look at the bucket %s: %w", s.opts.Bucket, err)
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
