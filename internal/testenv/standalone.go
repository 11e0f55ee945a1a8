package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// Cluster is a PostgreSQL server for a program that is not a test, such as a
// benchmark. Like that of the tests it runs in a temporary folder and listens on a
// free port of 127.0.0.1.
type Cluster struct {
	scratch *scratchDir
	server  *postgresServer
}

// StartCluster starts a PostgreSQL server, until Stop. settings, such as
// "shared_buffers=1GB", come before those that suit tests; what concerns durability
// stays as PostgreSQL has it unless a setting says otherwise.
func StartCluster(ctx context.Context, settings ...string) (*Cluster, error) {
	return startCluster(ctx, os.TempDir(), settings...)
}

func startCluster(ctx context.Context, root string, settings ...string) (*Cluster, error) {
	c := &Cluster{scratch: &scratchDir{root: root}}
	dir, err := c.scratch.dir()
	if err != nil {
		return nil, err
	}
	if c.server, err = startPostgres(ctx, filepath.Join(dir, "postgres"), settings...); err != nil {
		return nil, errors.Join(err, c.scratch.remove())
	}
	return c, nil
}

// Create makes an empty database and gives its URL. drop removes it, with whatever
// connections are left.
func (c *Cluster) Create(ctx context.Context) (database string, drop func() error, err error) {
	name := "tideline_bench_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if err := admin(ctx, c.server.url, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		return "", nil, fmt.Errorf("create database: %w", err)
	}
	own := *c.server.url
	own.Path = "/" + name
	return own.String(), func() error {
		return admin(context.WithoutCancel(ctx), c.server.url, "DROP DATABASE "+name+" WITH (FORCE)")
	}, nil
}

// Version is the server's, such as "15.14 (Debian 15.14-0+deb12u1)".
func (c *Cluster) Version(ctx context.Context) (version string, err error) {
	return setting(ctx, c.server.url, "server_version")
}

// Stop ends the server and removes its folder.
func (c *Cluster) Stop() error {
	err := c.server.stop()
	return errors.Join(err, c.scratch.remove())
}
