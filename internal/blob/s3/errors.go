package s3

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/tidelinehq/tideline/internal/blob"
)

// Error says why S3 did not do what it was asked. It is a blob.ErrUnavailable.
type Error struct {
	// Advice is what the operator has to do; "" when time may heal it, and then the
	// attempt was repeated.
	Advice string
	Err    error
}

// Error gives the cause and the advice.
func (e *Error) Error() string {
	if e.Advice == "" {
		return e.Err.Error()
	}
	return e.Err.Error() + ": " + e.Advice
}

// Unwrap gives blob.ErrUnavailable and the cause.
func (e *Error) Unwrap() []error { return []error{blob.ErrUnavailable, e.Err} }

// errNoS3 says that something answered that is not S3, such as a proxy's page.
var errNoS3 = errors.New("what answered is no S3 service")

// meaning turns a failure of the library into blob.ErrNotFound, blob.ErrGone or
// an *Error. Codes are those of the S3 API reference, "Error responses".
func meaning(err error) error {
	if settled(err) {
		return err
	}
	answer, ok := errors.AsType[minio.ErrorResponse](err)
	if !ok {
		return &Error{Advice: adviceTLS(err), Err: err}
	}
	switch answer.Code {
	case minio.NoSuchKey:
		// The library makes this code of every 404. Only one that S3 wrote itself says
		// that there is no such object: a wrong "not found" would be final for a message
		// that waits.
		if answer.XMLName.Local == "Error" {
			return blob.ErrNotFound
		}
		return &Error{Err: fmt.Errorf("%w: it says 404 without saying what is missing", errNoS3)}
	case minio.PreconditionFailed:
		return blob.ErrGone
	}
	return &Error{Advice: advice(answer), Err: fmt.Errorf("S3 answered %d %s: %w", answer.StatusCode, answer.Code, err)}
}

// advice says what to do about an answer; "" when it is to be tried again.
func advice(a minio.ErrorResponse) string {
	switch a.Code {
	case minio.NoSuchBucket, minio.InvalidBucketName, "NoSuchBucketPolicy":
		return "create the bucket, or correct the one in --files"
	case minio.AuthorizationHeaderMalformed, minio.InvalidRegion, "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException", "IncorrectEndpoint":
		if a.Region != "" {
			return "the bucket is in the region " + a.Region + ": set --s3-region to it, and --s3-endpoint if it names another one"
		}
		return "the bucket is in another region: correct --s3-region and --s3-endpoint"
	case "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired":
		return "the service does not know the access key: correct --s3-access-key"
	case "SignatureDoesNotMatch":
		return "the secret key does not belong to the access key: correct --s3-secret-key; if it does, a proxy on the way changes requests"
	case "RequestTimeTooSkewed", "RequestExpired", "AccessDeniedTimeSkew":
		return "this machine's clock is wrong: set it, for example by NTP"
	case minio.AccessDenied, "AllAccessDisabled", "AccountProblem", "NotSignedUp":
		return "allow the key to list the bucket and to get, put and delete its objects (s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject)"
	case "InvalidObjectState":
		return "the object is in an archive: restore it, and keep the bucket out of archiving storage classes"
	case "EntityTooLarge", "KeyTooLongError", "MethodNotAllowed", "NotImplemented", "InvalidRequest":
		return "the service can't do this: use another one, and report it"
	}
	switch a.StatusCode {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect, http.StatusFound:
		return "the service sends requests elsewhere: correct --s3-endpoint and --s3-region"
	case http.StatusForbidden, http.StatusUnauthorized:
		return "the service refuses the key: check --s3-access-key, --s3-secret-key and what they may do"
	}
	return ""
}

// adviceTLS says what to do about a connection that can't be trusted.
func adviceTLS(err error) string {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case unknown:
		return "name the file with the certificate of the service's authority with --s3-ca"
	case name, invalid:
		return "correct the service's certificate, or the host in --s3-endpoint"
	case record, strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"): // net/http has no type for it
		return "the service speaks no TLS there: use http:// in --s3-endpoint, on networks that you trust"
	}
	return ""
}
