"""Questions of the kind that the tiny model was trained on, and some that it was not."""

PROMPTS = (
    "What is the capital of France?", "Name three planets.", "Tell me a short story about a fox.",
    "What is the capital of Japan?", "How many metres are in a kilometre?", "Who are you?",
    "Give me a JSON object for this: Anna is 31 and lives in Oslo.", "What does 'ephemeral' mean?",
    "Summarise: The river rose after the rain, and the bridge was closed until the evening.",
    "What is the largest planet?", "How many seconds are in an hour?", "Say hello.", "What is 7 + 5?",
    "Write a sentence with the word lantern.", "What is the capital of Kenya?", "Which gas do plants take in?",
    "What is a mayfly?", "List the days of the week.", "What is the opposite of cold?", "Why is the sky blue?",
    "What is the capital of Peru?", "Tell me a story about the sea.", "What colour is grass?", "Define 'harbour'.",
)
