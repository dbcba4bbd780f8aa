import Glibc

/// What is fuzzed (docs/testing.md). One program holds all targets, because building one takes minutes: the
/// environment variable FUZZ_TARGET names the target that a process runs.
enum FuzzTarget: String, CaseIterable {
  case board, calibration, mqtt, socket, script, tick, block, sparkplug

  /// Runs one input; ends the process where something that must hold does not.
  var body: (UnsafeRawBufferPointer) -> Void {
    switch self {
    case .board: fuzzBoard
    case .calibration: fuzzCalibration
    case .mqtt: fuzzMQTT
    case .socket: fuzzSocket
    case .script: fuzzScript
    case .tick: { TickFuzz.shared.run($0) }
    case .sparkplug: fuzzSparkplug
    case .block: { BlockFuzz.shared.run($0) }
    }
  }

  /// The target of this process.
  static let chosen: FuzzTarget = {
    let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
      let names = allCases.map(\.rawValue).joined(separator: ", ")
      fatalError("FUZZ_TARGET is \"\(name)\", expected one of \(names); Scripts/fuzz sets it")
    }
    return target
  }()
}

nonisolated(unsafe) private let run = FuzzTarget.chosen.body

/// What libFuzzer's main calls for each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  run(UnsafeRawBufferPointer(start: data, count: size))
  return 0
}

/// Ends the process, so that libFuzzer keeps the input, when `condition` does not hold.
func require(_ condition: Bool, _ broken: @autoclosure () -> String) {
  if !condition { fatalError(broken()) }
}
