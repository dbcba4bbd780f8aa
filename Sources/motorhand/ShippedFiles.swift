import Foundation

/// Files that ship with the programs: in a checkout, or in the installed package.
enum ShippedFiles {
  /// The simulated hand's board, for commands to which none is given.
  static func simulatedBoard() throws -> String {
    if let path = find("Boards/sim.yaml") { return path }
    throw Failure(
      "no board is given, and Boards/sim.yaml is neither in the current folder nor, as itself or below "
        + "share/motorhand, in a folder above \(program); name a board file",
      Exit.brokenFile)
  }

  /// A shipped file by its path in a checkout. Looked for in the current folder, then from the program's
  /// folder upwards: a checkout holds it itself, an installed prefix such as /usr below share/motorhand.
  static func find(_ name: String) -> String? {
    if FileManager.default.fileExists(atPath: name) { return name }
    var folder = URL(fileURLWithPath: program)
    while folder.path != "/" {
      folder.deleteLastPathComponent()
      for candidate in [name, "share/motorhand/" + name] {
        let path = folder.appendingPathComponent(candidate).path
        if FileManager.default.fileExists(atPath: path) { return path }
      }
    }
    return nil
  }

  /// Path of this program.
  static var program: String {
    URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path
  }
}
