package main

import (
	"context"
	"fmt"
	"io"

	"github.com/tidelinehq/tideline/internal/operator"
	"github.com/tidelinehq/tideline/internal/tideline"
)

type accountReconnectCmd struct {
	Account string `arg:"" help:"Its phone number, or its id such as 14840000000@s.whatsapp.net."`
}

// Help implements kong.HelpProvider.
func (accountReconnectCmd) Help() string {
	return `The server reconnects accounts by itself, after growing pauses, and after a ban when it is over. This tries at once. For an account that is connected it does nothing; one that is logged out has to be paired again. The server must be running.

    tideline account reconnect +14840000000`
}

// Run connects an account.
func (c *accountReconnectCmd) Run(ctx context.Context, a *app) error {
	return a.onAccount(ctx, c.Account, func(o *operator.Client, q operator.AccountRequest, acc tideline.Account) error {
		if err := o.Reconnect(ctx, q); err != nil {
			return err
		}
		return a.show(map[string]string{"phone": string(acc.Phone), "state": string(tideline.AccountConnecting)}, func(w io.Writer) {
			fmt.Fprintf(w, "%s connects; tideline account list shows how it went.\n", acc.Phone)
		})
	})
}
