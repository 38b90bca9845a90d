module judge

go 1.26

require (
	github.com/slack-go/slack v0.35.0
	github.com/standard-webhooks/standard-webhooks/libraries v0.0.1
)

require github.com/gorilla/websocket v1.5.3 // indirect
