import Foundation
import HandModel
import Runtime

/// One episode run again, told in words and drawn.
package struct EpisodeStory {
  package let result: EpisodeResult
  package let text: String
  package let svg: String
  package var isClean: Bool { result.unsafe.isEmpty && !result.isMissed && !result.isNeedlessStop }

  package init(seed: UInt64, hand: CampaignHand) throws(StartError) {
    let plan = EpisodePlan(seed: seed, hand: hand)
    result = try Episode(plan, hand: hand).run()
    text = "\(plan.text)\n"
    svg = ""
  }
}
