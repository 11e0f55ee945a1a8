package main

import (
	"context"
	"fmt"
	"io"

	"github.com/tidelinehq/tideline/internal/operator"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
)

type whatsAppVersionCmd struct {
	Version string `arg:"" optional:"" help:"Version to announce from now on, e.g. 2.3000.1047769893, or built-in. Without it the one that is announced is shown."`
}

// builtIn is the word for the version that the client library was made for.
const builtIn = "built-in"

// Help implements kong.HelpProvider.
func (whatsAppVersionCmd) Help() string {
	return `Shows or changes the WhatsApp Web version that the running server announces. When WhatsApp refuses the one that is built in, every account is outdated until Tideline is updated or a newer version is announced: web.whatsapp.com uses the current one. Accounts that were refused connect at once; no restart is needed. The version is kept over restarts until a Tideline with a newer one built in is started; a --whatsapp-version given to serve comes first.

    tideline whatsapp-version
    tideline whatsapp-version 2.3000.1047769893
    tideline whatsapp-version built-in`
}

// Run shows or changes the version.
func (c *whatsAppVersionCmd) Run(ctx context.Context, a *app) error {
	o, err := a.operator(ctx)
	if err != nil {
		return err
	}
	var v operator.Version
	switch c.Version {
	case "":
		v, err = o.Version(ctx)
	case builtIn:
		v, err = o.SetVersion(ctx, "")
	default:
		v, err = o.SetVersion(ctx, c.Version)
	}
	if err != nil {
		return err
	}
	return a.show(v, func(w io.Writer) {
		if v.Announced == v.BuiltIn {
			fmt.Fprintf(w, "The server announces version %s, which is built in.\n", v.Announced)
			return
		}
		fmt.Fprintf(w, "The server announces version %s; %s is built in.\n", v.Announced, v.BuiltIn)
	})
}

// versionSetting is the name under which a version that was set while the server
// ran is stored.
const versionSetting = "whatsapp_version"

// versionToAnnounce gives the flag's version; else the one that an operator set
// at run time, as long as it is newer than the one built in; else "".
func (s *server) versionToAnnounce(ctx context.Context) (string, error) {
	if s.serve.WhatsAppVersion != "" {
		return s.serve.WhatsAppVersion, nil
	}
	stored, err := s.store.Setting(ctx, versionSetting)
	if err != nil || !meow.NewerVersion(stored, meow.BuiltInVersion()) {
		return "", err
	}
	s.log.WarnContext(ctx, "announcing a whatsapp version that was set by hand", "version", stored, "built_in", meow.BuiltInVersion())
	return stored, nil
}

// setVersion changes the announced version for the running server and the next
// ones.
func (s *server) setVersion(ctx context.Context, version string) (operator.Version, error) {
	if err := s.meow.SetVersion(version); err != nil {
		return operator.Version{}, err
	}
	if err := s.store.SetSetting(ctx, versionSetting, version); err != nil {
		return operator.Version{}, fmt.Errorf("the version is announced by this server, but not kept for the next start: %w", err)
	}
	s.peers.signalJSON(signalVersion, version)
	s.log.WarnContext(ctx, "announcing another whatsapp version", "version", s.meow.Version(), "built_in", meow.BuiltInVersion())
	return s.version(), nil
}

func (s *server) version() operator.Version {
	return operator.Version{Announced: s.meow.Version(), BuiltIn: meow.BuiltInVersion()}
}
