import Wire

/// The ticks or the events of one run, and how far each has come on its way upstream.
struct UploadStream: Sendable, Equatable {
  /// Recorded and wanted.
  var available = SequenceRanges()
  /// Never recorded, or deleted before they were sent: nothing can be sent.
  var absent = SequenceRanges()
  /// Not to be tried again on this connection: unreadable, or too large for the broker.
  var skipped = SequenceRanges()
  /// Sent, and not answered yet.
  var inFlight = SequenceRanges()
  /// The broker took them for a subscriber.
  var acknowledged = SequenceRanges()
  /// Acknowledged a short while ago; the consumer has not said yet that they are stored.
  var unconfirmed = SequenceRanges()
  /// What the consumer says; nil where it says nothing of this run.
  var stored: StoredMessage.Numbers?

  /// What need not be sent now. Where a consumer says what it has, an acknowledgement counts for a while
  /// only.
  var done: SequenceRanges {
    var done = absent
    done.formUnion(skipped)
    done.formUnion(inFlight)
    guard let stored else {
      done.formUnion(acknowledged)
      return done
    }
    done.formUnion(stored.ranges)
    done.formUnion(unconfirmed)
    if stored.from > 0 { done.formUnion(acknowledged.clamped(to: 0...stored.from - 1)) }
    return done
  }

  /// What is still to be sent.
  var pending: SequenceRanges { available.subtracting(done) }

  /// What has not arrived, as far as is known: in flight is not there yet.
  var backlog: SequenceRanges {
    var stream = self
    stream.inFlight = SequenceRanges()
    stream.skipped = SequenceRanges()
    return stream.pending
  }
}
