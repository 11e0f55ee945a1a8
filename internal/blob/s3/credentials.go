package s3

import (
	"cmp"
	"errors"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Credentials says where keys come from when none are given.
type Credentials string

// The sources of keys.
const (
	// CredentialsLocal: the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
	// AWS_SESSION_TOKEN, else the file ~/.aws/credentials
	// (AWS_SHARED_CREDENTIALS_FILE, AWS_PROFILE). This is the default.
	CredentialsLocal Credentials = "local"
	// CredentialsIAM: the machine's or container's role at AWS, for which its
	// metadata service is asked.
	CredentialsIAM Credentials = "iam"
	// CredentialsNone: requests are not signed.
	CredentialsNone Credentials = "none"
)

func (o *Options) credentials() (*credentials.Credentials, error) {
	if o.AccessKey != "" || o.SecretKey != "" {
		if o.AccessKey == "" || o.SecretKey == "" {
			return nil, errors.New("one of the two S3 keys is missing: set both --s3-access-key and --s3-secret-key")
		}
		return credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""), nil
	}
	switch cmp.Or(o.Credentials, CredentialsLocal) {
	case CredentialsLocal:
		local := credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}})
		// Without keys the library would ask without signing, and be refused.
		if v, err := local.GetWithContext(nil); err != nil || v.SignerType.IsAnonymous() {
			return nil, errors.New("there are no S3 keys: set --s3-access-key and --s3-secret-key (better as TIDELINE_S3_ACCESS_KEY and TIDELINE_S3_SECRET_KEY), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; --s3-credentials iam takes those of the machine's role")
		}
		return local, nil
	case CredentialsIAM:
		return credentials.NewIAM(""), nil
	case CredentialsNone:
		return credentials.NewStatic("", "", "", credentials.SignatureAnonymous), nil
	}
	return nil, errors.New("there is no such source of S3 keys: use local, iam or none for --s3-credentials")
}
