import ControlSocket
import Foundation
import HandModel
import Recording
import Runtime
import Telemetry
import Wire

/// The hand's present state as the control socket gives it: one line of JSON.
struct DaemonState: Sendable {
  let runtime: HandRuntime
  let identity: HandIdentity
  let recorder: Recorder?
  let publisher: Publisher?
  let degraded: [String]
  let log: DaemonLog

  var line: String {
    var snapshot = HandSnapshot(
      runtime, identity: identity, recorder: recorder.map(Self.snapshot),
      publisher: publisher.map(Self.snapshot), degraded: degraded)
    snapshot.unwrittenMessages = log.unwritten
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    guard let json = try? encoder.encode(snapshot) else {
      return CommandReply.refused(reason: "the state could not be encoded").replyJSON(id: "")
    }
    return String(decoding: json, as: UTF8.self)
  }

  private static func snapshot(_ recorder: Recorder) -> HandSnapshot.Recorder {
    let status = recorder.status
    return .init(
      recorded: status.recordedTicks, dropped: status.droppedByRing + status.droppedByStorage,
      thinned: status.thinnedTicks, lagTicks: status.lagTicks, path: status.segmentPath,
      error: status.lastError)
  }

  private static func snapshot(_ publisher: Publisher) -> HandSnapshot.Publisher {
    let status = publisher.status
    return .init(
      connected: status.connected, broker: status.broker, published: status.published,
      dropped: status.droppedMessages, lagTicks: status.lagTicks,
      error: status.lastError.isEmpty ? nil : status.lastError, drops: status.drops.byKind,
      commands: snapshot(status.commandWay), stopWay: snapshot(status.stopWay),
      upload: status.upload.map(snapshot),
      sparkplug: status.sparkplug.map {
        .init(
          way: snapshot($0.way), births: $0.births, data: $0.data, dropped: $0.dropped, refused: $0.refused)
      })
  }

  private static func snapshot(_ upload: UploadStatus) -> UploadSnapshot {
    .init(
      mode: upload.mode.rawValue, connected: upload.connected, backlogTicks: upload.backlogTicks,
      backlogBytes: upload.backlogBytes, backlogEvents: upload.backlogEvents,
      oldest: upload.oldest.map {
        ($0.runID, $0.sequence, $0.wallNanoseconds.map { Double($0) * 1e-9 })
      }, blocksSent: upload.blocksSent, blocksAcknowledged: upload.blocksAcknowledged,
      blocksStored: upload.blocksStored, eventsSent: upload.eventsSent, unheard: upload.unheard,
      refused: upload.refused, expiredUnsent: upload.expiredUnsent, damagedBlocks: upload.damagedBlocks,
      consumer: upload.consumer, unconfirmed: upload.unconfirmed,
      error: upload.lastError.isEmpty ? nil : upload.lastError)
  }

  private static func snapshot(_ way: CommandWay) -> HandSnapshot.Publisher.Way {
    .init(
      state: way.state.rawValue, since: way.sinceNanoseconds == 0 ? nil : Double(way.sinceNanoseconds) * 1e-9,
      error: way.error.isEmpty ? nil : way.error)
  }
}

extension PublisherStatus {
  /// Messages that were to be sent and were not.
  var droppedMessages: UInt64 { drops.notConnected + drops.inFlight + drops.events + drops.replies }
}
