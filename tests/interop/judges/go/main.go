// Judges with Go's libraries: a question a line of JSON on standard input, a verdict a line on standard output (see foreign.py).
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v74/github"
	"github.com/slack-go/slack"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stripe/stripe-go/v82/webhook"
	svix "github.com/svix/svix-webhooks/go"
	twilio "github.com/twilio/twilio-go/client"
)

const tolerance = 300 * time.Second

var errRefused = errors.New("refused")

type question struct {
	Library   string
	Operation string
	Secret    string
	URL       string
	Headers   map[string]string
	Body      []byte
	ID        string
	Now       int64
}

type verdict struct {
	Accepted bool              `json:"accepted"`
	Reason   string            `json:"reason,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	Failure  string            `json:"failure,omitempty"`
}

func (asked question) header() http.Header {
	header := http.Header{}
	for name, value := range asked.Headers {
		header.Set(name, value)
	}
	return header
}

func byTwilio(asked question) error {
	judge := twilio.NewRequestValidator(asked.Secret)
	signature := asked.Headers["x-twilio-signature"]
	if !strings.HasPrefix(asked.Headers["content-type"], "application/x-www-form-urlencoded") {
		if judge.ValidateBody(asked.URL, asked.Body, signature) {
			return nil
		}
		return errRefused
	}
	form, err := url.ParseQuery(string(asked.Body))
	if err != nil {
		return err
	}
	parameters := map[string]string{}
	for name, values := range form {
		parameters[name] = values[0]
	}
	if judge.Validate(asked.URL, parameters, signature) {
		return nil
	}
	return errRefused
}

func verify(asked question) error {
	switch asked.Library {
	case "svix":
		judge, err := svix.NewWebhook(asked.Secret)
		if err != nil {
			return err
		}
		return judge.Verify(asked.Body, asked.header())
	case "stripe-go":
		return webhook.ValidatePayloadWithTolerance(asked.Body, asked.Headers["stripe-signature"], asked.Secret, tolerance)
	case "go-github":
		return github.ValidateSignature(asked.Headers["x-hub-signature-256"], asked.Body, []byte(asked.Secret))
	case "twilio-go":
		return byTwilio(asked)
	case "standardwebhooks":
		judge, err := standardwebhooks.NewWebhook(asked.Secret)
		if err != nil {
			return err
		}
		return judge.Verify(asked.Body, asked.header())
	case "slack-go":
		judge, err := slack.NewSecretsVerifier(asked.header(), asked.Secret)
		if err != nil {
			return err
		}
		if _, err := judge.Write(asked.Body); err != nil {
			return err
		}
		return judge.Ensure()
	}
	return fmt.Errorf("unknown library %q", asked.Library)
}

func sign(asked question) (map[string]string, error) {
	if asked.Library == "stripe-go" {
		made := webhook.UnsignedPayload{Payload: asked.Body, Secret: asked.Secret, Timestamp: time.Unix(asked.Now, 0)}
		return map[string]string{"stripe-signature": webhook.GenerateTestSignedPayload(&made).Header}, nil
	}
	if asked.Library == "svix" {
		judge, err := svix.NewWebhook(asked.Secret)
		if err != nil {
			return nil, err
		}
		signature, err := judge.Sign(asked.ID, time.Unix(asked.Now, 0), asked.Body)
		return map[string]string{
			"svix-id":        asked.ID,
			"svix-timestamp": strconv.FormatInt(asked.Now, 10),
			"svix-signature": signature,
		}, err
	}
	if asked.Library != "standardwebhooks" {
		return nil, fmt.Errorf("%q does not sign", asked.Library)
	}
	judge, err := standardwebhooks.NewWebhook(asked.Secret)
	if err != nil {
		return nil, err
	}
	signature, err := judge.Sign(asked.ID, time.Unix(asked.Now, 0), asked.Body)
	return map[string]string{
		"webhook-id":        asked.ID,
		"webhook-timestamp": strconv.FormatInt(asked.Now, 10),
		"webhook-signature": signature,
	}, err
}

func answer(line []byte) verdict {
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return verdict{Failure: err.Error()}
	}
	if asked.Operation == "sign" {
		headers, err := sign(asked)
		if err != nil {
			return verdict{Failure: err.Error()}
		}
		return verdict{Headers: headers}
	}
	if err := verify(asked); err != nil {
		return verdict{Reason: err.Error()}
	}
	return verdict{Accepted: true}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if err := out.Encode(answer(lines.Bytes())); err != nil {
			os.Exit(1)
		}
	}
}
