import HandModel
import Realtime
import Recording
import Telemetry
import Wire

/// Tells what goes wrong with a running hand, and when it is over: faults, ways of commands, storage, the
/// socket. Each change is told once.
struct TroubleWatch {
  /// A full disk drops ticks all the time: told at once, then this often.
  static let dropReportNanoseconds: Int64 = 10_000_000_000

  /// Between two heads of the hash chain in the journal: 144 lines a day; MQTT has it more often.
  static let chainReportNanoseconds: Int64 = 600_000_000_000

  private let identity: HandIdentity
  private let boardPath: String
  private var fault = FaultCode.none
  private var storageFailing = false
  private var dropped: UInt64 = 0
  private var nextDropReport: Int64 = 0
  private var expired = 0
  private var ways: WayReports
  private var isReachable = true
  private var chainHead: ChainHead?
  private var nextChainReport: Int64

  /// - Parameter now: of the monotonic clock.
  init(identity: HandIdentity, boardPath: String, now: Int64) {
    self.identity = identity
    self.boardPath = boardPath
    ways = WayReports(now: now)
    nextChainReport = now + Self.chainReportNanoseconds
  }

  /// - Returns: the fault that is latched or cleared since the last look, with its tick.
  mutating func observe(_ record: TickRecord, _ log: DaemonLog) -> FaultCode? {
    guard record.fault != fault else { return nil }
    fault = record.fault
    let joint = identity.faultJoint(record)
    let tick = DaemonLog.Tick(
      runID: identity.runID, sequence: record.sequence, fault: fault, joint: joint)
    if let message = JournalMessage(fault) {
      log.report(
        "\(record.state.name): \(fault.name)\(joint.map { ", joint " + $0 } ?? ""), "
          + "seen at tick \(record.sequence); \(Self.reaction(record))"
          + advice(fault, joint: Int(record.faultJoint)),
        message, tick: tick)
    } else {
      log.report("fault cleared, state \(record.state.name)", .faultCleared, tick: tick)
    }
    return fault
  }

  mutating func observe(_ status: PublisherStatus, now: Int64, _ log: DaemonLog) {
    ways.observe(status, now: now) { log.report($0, $1) }
  }

  /// The journal is where a log that was cut short or replaced as a whole is found out.
  mutating func observe(chainHead head: ChainHead?, now: Int64, _ log: DaemonLog) {
    guard let head, head != chainHead, now >= nextChainReport else { return }
    chainHead = head
    nextChainReport = now + Self.chainReportNanoseconds
    log.report("chain head \(head.number) \(head.hash)", .chainHead)
  }

  /// - Parameter loss: why no client reaches the control socket any longer (`ControlServer.loss`).
  mutating func observe(socketLoss loss: String?, _ log: DaemonLog) {
    guard isReachable, let loss else { return }
    isReachable = false
    log.report("\(loss); restart this daemon", priority: .error)
  }

  mutating func observe(_ status: RecorderStatus, now: Int64, _ log: DaemonLog) {
    // The last error stays in the status after recovery; whether storage fails now is a field of its own.
    if status.storageFailing != storageFailing {
      storageFailing = status.storageFailing
      log.report(
        storageFailing
          ? "recorder: \(status.lastError ?? "storage fails")"
          : "recorder: storage works again, \(status.segmentPath)",
        storageFailing ? .storageFailing : .storageRecovered)
    }
    let lost = status.droppedByRing + status.droppedByStorage
    if lost > dropped && now >= nextDropReport {
      nextDropReport = now + Self.dropReportNanoseconds
      log.report("recorder: \(lost - dropped) ticks dropped, \(lost) since start", .ticksDropped)
      dropped = lost
    }
    if status.expiredSegments > expired {
      log.report(
        "recorder: \(status.expiredSegments - expired) of the oldest segments deleted to make room",
        .segmentsExpired)
      expired = status.expiredSegments
    }
  }

  /// What mends a fault that a reset alone may not.
  private func advice(_ fault: FaultCode, joint: Int) -> String {
    let board = identity.board
    guard fault == .busFault, board.platform == .linux, joint < board.joints.count else { return "" }
    let bus = board.buses[board.encoders[board.joints[joint].encoder].bus].name
    return "; if bus \(bus) stays so, stop the daemon and run motorhand recover \(boardPath) \(bus)"
  }

  private static func reaction(_ record: TickRecord) -> String {
    guard record.outputsEnabled else { return "outputs off" }
    return switch record.fault.reaction {
    case .limp: "outputs on"
    case .hold: "holding still until a reset or disarm"
    case .brake: "braking, then outputs off"
    }
  }
}

extension HandIdentity {
  /// The name of the joint that a record's fault names; nil when it names none.
  func faultJoint(_ record: TickRecord) -> String? {
    let number = Int(record.faultJoint)
    return number < board.joints.count ? board.joints[number].name : nil
  }
}
