import ArgumentParser
import ControlSocket
import Foundation
import HandFiles
import HandModel
import LinuxIO

struct Recover: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Free an I2C bus that hangs: nine clocks and a STOP on its wires, its adapter started anew.",
    discussion: """
      Needs root to unbind the adapter's driver, and recovery: {scl_line, sda_line} of the bus in the board \
      file to clock its wires. Refused while a daemon runs. Exit codes: 0 the bus is free; 1 it is not, or a \
      daemon runs; 2 the board file is broken or has no such bus; 4 the machine lacks the bus or a line.
      """)
  @Argument(help: "Board file, for example Boards/raspberry-pi-4.yaml.", transform: nonEmpty) var board:
    String
  @Argument(help: "Name of the bus in the board file.", transform: nonEmpty) var bus: String
  @OptionGroup var socket: SocketOptions

  func run() throws {
    let spec = try busOfBoard()
    if (try? ControlClient(path: socket.path)) != nil {
      throw Failure(
        "a daemon runs on \(socket.path): stop it first (systemctl stop motorhandd)", Exit.failure)
    }
    let steps: [String]
    do throws(HardwareError) {
      steps = try BusRecovery(spec).run()
    } catch {
      throw Failure(error, error.kind == .missing ? Exit.device : Exit.failure)
    }
    for step in steps { try emit("bus \(bus): \(step)") }
    try emit("bus \(bus): recovered; motorhand check shows whether its chips answer")
  }

  private func busOfBoard() throws -> BusSpec {
    let board: Board
    do {
      board = try Board(yaml: try HandFiles.text(self.board), file: self.board)
    } catch {
      throw Failure("\(error)", Exit.brokenFile)
    }
    guard let spec = board.buses.first(where: { $0.name == bus }) else {
      throw Failure(
        "\(self.board): no bus \(bus); there are \(board.buses.map(\.name).joined(separator: ", "))",
        Exit.brokenFile)
    }
    guard board.platform == .linux else {
      throw Failure("\(self.board): a simulated board has no wires to recover", Exit.failure)
    }
    return spec
  }
}
