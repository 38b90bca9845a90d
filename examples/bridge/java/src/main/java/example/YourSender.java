package example;

import java.time.Duration;
import java.util.List;

/** The place for calls of your own sender. */
final class YourSender {
  /** The sender does not take a target or an event. */
  static final class Refused extends Exception {
    Refused(String message) {
      super(message);
    }
  }

  /** Creates an endpoint; {@code delays} and {@code timeout} are null where they are left to the sender. */
  String addTarget(String url, String secret, List<String> eventTypes, List<Duration> delays, Duration timeout) throws Refused {
    throw new UnsupportedOperationException("fill in addTarget: create an endpoint in your sender, and return its id");
  }

  /** Deletes an endpoint. */
  void removeTarget(String id) throws Refused {
    throw new UnsupportedOperationException("fill in removeTarget: delete the endpoint");
  }

  /** Hands an event over; returns its id when it will not be lost any more. */
  String emit(String type, byte[] data, String contentType) throws Refused {
    throw new UnsupportedOperationException("fill in emit: hand the event to your sender, and return its id");
  }
}
