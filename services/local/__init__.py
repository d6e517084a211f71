"""The embedded models: fetched once, verified, served with OpenAI's chat completions."""
