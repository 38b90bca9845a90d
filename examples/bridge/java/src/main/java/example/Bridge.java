package example;

import hookline.conformance.v1.SenderBridgeGrpc;
import hookline.conformance.v1.SenderBridgeOuterClass.*;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;

/**
 * A bridge for the conformance suite: a skeleton to fill in. What is not written here answers UNIMPLEMENTED, which is right for every
 * method whose feature {@code describe} does not name.
 */
public final class Bridge extends SenderBridgeGrpc.SenderBridgeImplBase {
  private final YourSender sender = new YourSender();

  @Override
  public void describe(DescribeRequest request, StreamObserver<DescribeResponse> answer) {
    answered(
        answer,
        () ->
            DescribeResponse.newBuilder()
                .setName("your sender")
                .setVersion("1.0")
                // Name a feature when the bridge has what it needs, and no sooner.
                .addFeatures(Feature.FEATURE_SCHEDULE)
                .addFeatures(Feature.FEATURE_TIMEOUT)
                .addFeatures(Feature.FEATURE_EVENT_TYPES)
                .setJitter(0.1)
                .build());
  }

  @Override
  public void configure(ConfigureRequest request, StreamObserver<ConfigureResponse> answer) {
    Target target = request.getTarget();
    List<Duration> delays =
        target.hasSchedule() ? target.getSchedule().getDelaysList().stream().map(Bridge::duration).toList() : null;
    Duration timeout = target.hasTimeout() ? duration(target.getTimeout()) : null;
    answered(
        answer,
        () ->
            ConfigureResponse.newBuilder()
                .setTargetId(sender.addTarget(target.getUrl(), target.getSecret(), target.getEventTypesList(), delays, timeout))
                .build());
  }

  @Override
  public void emit(EmitRequest request, StreamObserver<EmitResponse> answer) {
    answered(
        answer,
        () ->
            EmitResponse.newBuilder()
                .setEventId(sender.emit(request.getType(), request.getData().toByteArray(), request.getContentType()))
                .build());
  }

  @Override
  public void deleteTarget(DeleteTargetRequest request, StreamObserver<DeleteTargetResponse> answer) {
    answered(
        answer,
        () -> {
          sender.removeTarget(request.getTargetId());
          return DeleteTargetResponse.getDefaultInstance();
        });
  }

  private static Duration duration(com.google.protobuf.Duration given) {
    return Duration.ofSeconds(given.getSeconds(), given.getNanos());
  }

  /** Tells a refusal of the sender's from a fault. */
  private static <T> void answered(StreamObserver<T> answer, Callable<T> work) {
    try {
      answer.onNext(work.call());
      answer.onCompleted();
    } catch (YourSender.Refused refused) {
      answer.onError(Status.INVALID_ARGUMENT.withDescription(refused.getMessage()).asRuntimeException());
    } catch (Exception fault) {
      answer.onError(Status.INTERNAL.withDescription(String.valueOf(fault)).asRuntimeException());
    }
  }

  public static void main(String[] arguments) throws Exception {
    int port = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 0;
    var server = NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", port)).addService(new Bridge()).build().start();
    System.out.println(server.getPort());
    server.awaitTermination();
  }
}
