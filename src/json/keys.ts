import { z } from "zod";
import { count } from "./common.ts";

// What `handled key …` prints with `--json`.

const recipientList = z.array(z.string());

export const KeyNewJson = z.strictObject({
  recipient: z.string().describe("The new recipient, `age1…`: no secret"),
  identity: z
    .string()
    .nullable()
    .describe(
      "The identity that opens what is sealed to it, which is shown nowhere else; null with `--file`",
    ),
  file: z.string().nullable().describe("The file that has the identity"),
  strategy: z.string().nullable().describe("The strategy that names the recipient now"),
  repositories: z.array(z.string()).describe("Its repositories that do"),
});

export type KeyNewJson = z.infer<typeof KeyNewJson>;

export const KeyShowJson = z.strictObject({
  repositories: z
    .array(
      z.strictObject({
        place: z.string().describe("Where it is"),
        isMade: z.boolean().describe("Whether there is a repository yet"),
        wanted: recipientList.nullable().describe("Recipients in the strategy; null where it names none"),
        recipients: recipientList
          .nullable()
          .describe("Recipients in the repository; null where it is not encrypted, or not made yet"),
        hosts: recipientList.describe("Keys of the hosts that write to it"),
        mixed: z.boolean().describe("Whether some objects may be sealed to fewer: `key rewrap` ends that"),
      }),
    )
    .describe("The repositories"),
});

export type KeyShowJson = z.infer<typeof KeyShowJson>;

export const KeyRewrapJson = z.strictObject({
  place: z.string().describe("The repository"),
  recipients: recipientList.describe("To whom everything is sealed now"),
  hosts: recipientList.describe("Hosts that can read what they need to write"),
  objects: count.describe("Objects that were sealed anew"),
});

export type KeyRewrapJson = z.infer<typeof KeyRewrapJson>;
