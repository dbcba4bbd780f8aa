import ArgumentParser
import Control
import ControlSocket
import Devices
import Foundation
import HandFiles
import HandModel
import LinuxIO
import Realtime
import Runtime
import Simulation

struct Jog: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Move one joint slowly, at a low limit, without the daemon and without a certificate.",
    discussion: """
      For the first motion of a joint that has just been wired. All other joints are limp. The guard watches: position, \
      speed, current, samples, buses, actuators, drive-enable line and e-stop. Ctrl-C stops the joint at once, and so \
      do Ctrl-Z, Ctrl-\\ and a closed terminal. The outputs are off however this ends: a second process makes the \
      board safe when this one is killed or stands still for 2 s. A simulated board's hand is simulated in this \
      process. No daemon may run on the board.
      Exit codes: 0 arrived; 1 a fault or a stop ended it; 2 a file is broken; 3 the board's rate does not fit; \
      4 hardware is missing or in use, also by a daemon; 64 wrong arguments.
      """)
  @Argument(help: "Board file.", transform: nonEmpty) var board: String
  @Argument(help: "Name of the joint.", transform: nonEmpty) var joint: String
  @Option(help: "How far from where it is; negative = the other way.", transform: number)
  var degrees: Double
  @Option(help: "Speed of the set-point, degrees per second.", transform: positive(upTo: 90))
  var speed = 10.0
  @Option(help: "Largest torque of a motor as a share of the joint's limit.", transform: positive(upTo: 1))
  var torqueShare = 0.25
  @OptionGroup var calibration: CalibrationOption
  @OptionGroup var socket: SocketOptions
  @Flag(help: "Print the result as JSON.") var json = false

  /// More than any joint's range.
  private static let largestDegrees = 360.0

  func validate() throws {
    guard degrees != 0, degrees.magnitude <= Self.largestDegrees else {
      throw ValidationError("--degrees: found \(degrees), expected a number other than 0, at most ±360")
    }
  }

  func run() throws {
    let (board, calibration) = try load(board: board, calibration: calibration.path(board: board))
    guard let index = board.joints.firstIndex(where: { $0.name == joint }) else {
      throw ValidationError(
        "found joint '\(joint)', expected one of \(board.joints.map(\.name).joined(separator: ", "))")
    }
    let radians = Double.pi / 180
    let plan = ExcitationPlan(
      joint: index, radians: degrees * radians, radiansPerSecond: speed * radians, torqueShare: torqueShare)
    // Ctrl-Z would leave the joint driven by a program that stands still.
    Interrupt.install([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP])
    // Held as long as the joint may move: no daemon starts meanwhile.
    let lock = try Self.lock(board, socket.path)
    let jog = try open(board, calibration, plan)
    let watch = try SafeStateWatch(board: self.board)
    let shown = ProgressLine()
    let end: JogEnd
    do {
      defer { shown.clear() }
      end = try jog.run(isCancelled: { !watch.beat() || Interrupt.isPending }) { shown.show(Self.line($0)) }
    } catch {
      watch.end()
      throw Failure(error, Exit.device)
    }
    watch.end()
    _ = consume lock
    try report(end, jog, board)
  }

  /// The right to this machine's hand, which a running daemon holds. A simulated hand is this process's own.
  private static func lock(_ board: Board, _ path: String) throws -> SocketLock? {
    guard board.platform == .linux else { return nil }
    // The service manager takes the folder away with its daemon: where there is none nobody holds its lock,
    // and a daemon that starts now finds the lines taken.
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    guard FileManager.default.fileExists(atPath: folder) else { return nil }
    do throws(SocketError) { return try SocketLock.take(path) } catch {
      throw Failure("\(error); a jog needs the hand for itself", Exit.device)
    }
  }

  private func open(_ board: Board, _ calibration: Calibration, _ plan: ExcitationPlan) throws -> JogRun {
    do {
      let joints = try HandDesign.basics(board: board, calibration: calibration)
      try HandRuntime.requireFit(board, BusPlan(board))
      guard board.platform == .linux else {
        let clock = VirtualClock()
        let hand = SimulatedHand(board: board, calibration: calibration, seed: 1, clock: clock)
        return try JogRun(board: board, joints: joints, plan: plan, hardware: hand, clock: clock)
      }
      return try JogRun(
        board: board, joints: joints, plan: plan, hardware: try LinuxHardware(board: board),
        clock: MonotonicClock())
    } catch let error as DesignRefusal {
      throw Failure(error, Exit.infeasible)
    } catch let error as StartError {
      if case .overloadedBuses = error { throw Failure(error, Exit.infeasible) }
      throw Failure(error, Exit.device)
    } catch let error as HardwareErrors {
      throw Failure(error, Exit.device)
    }
  }

  private static func line(_ progress: JogProgress) -> String {
    String(
      format: "%@  set-point %.1f°  angle %.1f°  torque %.3f N m  current %.2f A", progress.state.name,
      progress.setpointRadians * 180 / .pi, progress.positionRadians * 180 / .pi,
      progress.torqueNewtonMetres, progress.currentAmperes)
  }

  /// What `--json` prints.
  private struct Result: Encodable {
    var joint: String
    var result: String
    var reason: String?
    /// Degrees; null where the joint was never moved.
    var startDegrees: Double?
    var endDegrees: Double?
  }

  private func report(_ end: JogEnd, _ jog: JogRun, _ board: Board) throws {
    let start = jog.startRadians * 180 / .pi
    let stop = jog.endRadians * 180 / .pi
    let (result, reason) = Self.words(end, board)
    if json {
      try printJSON(
        Result(
          joint: joint, result: result, reason: reason, startDegrees: start.isFinite ? start : nil,
          endDegrees: start.isFinite && stop.isFinite ? stop : nil))
    } else if start.isFinite {
      try emit(String(format: "%@: %.1f° to %.1f°, %@; outputs off", joint, start, stop, result))
    }
    guard end != .arrived else { return }
    if !json { complain(reason ?? result) }
    throw Exit.failure
  }

  private static func words(_ end: JogEnd, _ board: Board) -> (result: String, reason: String?) {
    switch end {
    case .arrived: return ("arrived", nil)
    case .cancelled:
      let cause = Interrupt.isPending ? "stopped by a signal" : "the process that watches over it ended"
      return ("cancelled", "\(cause) before the joint arrived")
    case .refused(let reason): return ("refused", reason)
    case .silent: return ("silent", "the loop stands still; its drive-enable line was released without it")
    case .fault(let code, let joint):
      let name = board.joints.indices.contains(joint) ? " (\(board.joints[joint].name))" : ""
      return ("fault", code.name + name)
    }
  }
}
