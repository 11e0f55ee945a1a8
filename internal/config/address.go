package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// checkListen reports whether addr has the form host:port. The host may be
// empty (every address of the machine), an IP address or "localhost".
func checkListen(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err == nil && host != "" && host != "localhost" {
		_, err = netip.ParseAddr(host)
	}
	if err != nil {
		return invalid("--listen %q is not an address and port such as 127.0.0.1:8080", addr)
	}
	return nil
}

// ListensOnLoopback reports whether a server on addr can be reached from this
// machine only.
func ListensOnLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && isLoopback(host)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// IsPostgres reports whether database names a PostgreSQL server rather than a file.
func IsPostgres(database string) bool { return isPostgres(database) }

// CheckDatabase reports a database that can't be named so. The error's code is
// CodeValidation.
func CheckDatabase(database string) error { return checkDatabase(database) }

func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

// checkDatabase reports whether database is a PostgreSQL URL or a path. It
// never repeats the value, which may hold a password.
func checkDatabase(database string) error {
	if isPostgres(database) {
		if _, err := url.Parse(database); err != nil {
			return invalid("--database is not a valid URL; characters such as @ / : in the password must be percent-encoded")
		}
		return nil
	}
	if scheme, _, found := strings.Cut(database, "://"); found {
		return invalid("--database has the scheme %q; use postgres://… or the path of an SQLite file", scheme)
	}
	return nil
}

// databaseOnLoopback reports whether every host that a PostgreSQL URL names is
// this machine: a loopback address, localhost, or a socket folder. Hosts may
// stand in the authority or, as libpq allows, in the query; a URL without any
// means a local socket, unless PGHOST says otherwise, so that is refused too.
func databaseOnLoopback(database string) bool {
	u, err := url.Parse(database)
	if err != nil {
		return false
	}
	var hosts []string
	for _, list := range append(u.Query()["host"], u.Query()["hostaddr"]...) {
		hosts = append(hosts, strings.Split(list, ",")...)
	}
	for part := range strings.SplitSeq(u.Host, ",") {
		if host := (&url.URL{Host: part}).Hostname(); host != "" {
			hosts = append(hosts, host)
		}
	}
	for _, host := range hosts {
		if !strings.HasPrefix(host, "/") && !isLoopback(host) {
			return false
		}
	}
	return len(hosts) > 0
}
