package browser

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tidelinehq/tideline/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// patience bounds every wait. Nothing takes nearly as long; it only has to be
// longer than any stall of a busy machine.
const patience = 60 * time.Second

// chrome is the one browser of the test run.
var chrome = sync.OnceValues(func() (context.Context, error) {
	path, err := testenv.Chromium()
	if err != nil {
		return nil, err
	}
	allocated, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-breakpad", true),
		chromedp.Flag("disable-dev-shm-usage", true), // small in containers
		// Several persons are at work at once, each as if in front.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
		// A microphone that is always there and hums.
		chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("mute-audio", true),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("lang", "en-US"),
		// Whatever a page or the browser itself looks for elsewhere does not exist.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("no-proxy-server", true),
	)
	ctx, _ := chromedp.NewContext(allocated)
	testenv.AtExit(func() error {
		bounded, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		err := chromedp.Cancel(bounded)
		stop()
		return err
	})
	return ctx, chromedp.Do(ctx)
})
