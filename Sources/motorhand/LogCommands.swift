import ArgumentParser
import Foundation
import Recording
import Runtime

struct Log: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look into recordings.", subcommands: [Info.self, Export.self, Diff.self])
}
