// A bridge for the conformance suite: a skeleton to fill in. What is not written here answers UNIMPLEMENTED,
// which is right for every method whose feature Describe does not name.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "example.com/bridge/bridgepb"
)

// errRefused is what the sender says to a target or an event that it does not take.
var errRefused = errors.New("refused")

// sender is what the bridge needs of the sender under test.
type sender interface {
	// AddTarget makes a target; nil delays and a timeout of 0 leave them to the sender.
	AddTarget(ctx context.Context, url, secret string, eventTypes []string, delays []time.Duration, timeout time.Duration) (id string, err error)
	RemoveTarget(ctx context.Context, id string) error
	// Emit answers when the event will not be lost any more.
	Emit(ctx context.Context, eventType string, data []byte, contentType string) (id string, err error)
}

// yourSender is the place for calls of your own sender.
type yourSender struct{}

func (yourSender) AddTarget(context.Context, string, string, []string, []time.Duration, time.Duration) (string, error) {
	return "", errors.New("fill in AddTarget: create an endpoint in your sender, and return its id")
}

func (yourSender) RemoveTarget(context.Context, string) error {
	return errors.New("fill in RemoveTarget: delete the endpoint")
}

func (yourSender) Emit(context.Context, string, []byte, string) (string, error) {
	return "", errors.New("fill in Emit: hand the event to your sender, and return its id")
}

type bridge struct {
	pb.UnimplementedSenderBridgeServer
	sender sender
}

func (b *bridge) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return &pb.DescribeResponse{
		Name:    "your sender",
		Version: "1.0",
		// Name a feature when the bridge has what it needs, and no sooner.
		Features: []pb.Feature{pb.Feature_FEATURE_SCHEDULE, pb.Feature_FEATURE_TIMEOUT, pb.Feature_FEATURE_EVENT_TYPES},
		Jitter:   0.1,
		Timeout:  durationpb.New(15 * time.Second),
	}, nil
}

func (b *bridge) Configure(ctx context.Context, request *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	target := request.GetTarget()
	var delays []time.Duration
	if schedule := target.GetSchedule(); schedule != nil {
		delays = make([]time.Duration, 0, len(schedule.GetDelays()))
		for _, delay := range schedule.GetDelays() {
			delays = append(delays, delay.AsDuration())
		}
	}
	id, err := b.sender.AddTarget(ctx, target.GetUrl(), target.GetSecret(), target.GetEventTypes(), delays, target.GetTimeout().AsDuration())
	if err != nil {
		return nil, answered(err)
	}
	return &pb.ConfigureResponse{TargetId: id}, nil
}

func (b *bridge) Emit(ctx context.Context, request *pb.EmitRequest) (*pb.EmitResponse, error) {
	id, err := b.sender.Emit(ctx, request.GetType(), request.GetData(), request.GetContentType())
	if err != nil {
		return nil, answered(err)
	}
	return &pb.EmitResponse{EventId: id}, nil
}

func (b *bridge) DeleteTarget(ctx context.Context, request *pb.DeleteTargetRequest) (*pb.DeleteTargetResponse, error) {
	if err := b.sender.RemoveTarget(ctx, request.GetTargetId()); err != nil {
		return nil, answered(err)
	}
	return &pb.DeleteTargetResponse{}, nil
}

// answered tells a refusal of the sender's from a fault.
func answered(err error) error {
	if errors.Is(err, errRefused) {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return status.Error(codes.Internal, err.Error())
}

func main() {
	port := "0"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterSenderBridgeServer(server, &bridge{sender: yourSender{}})
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(server.Serve(listener))
}
